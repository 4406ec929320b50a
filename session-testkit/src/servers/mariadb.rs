//! One MariaDB server.

use std::path::Path;
use std::time::Duration;
use std::{fmt, fs, io};

use session_core::{OsEntropy, Token};

use super::account::Account;
use super::certificates::{Certificates, SERVER_CERT, SERVER_KEY};
use super::client;
use super::program::Program;
use super::server::{self, Fixture, POLL, RESPONSE, Server, controls};
use super::template::{self, Step};
use crate::patience::Patience;

const DEBIAN_PACKAGE: &str = "mariadb-server";

/// The database of the tests, and the user that it is for.
const APP: &str = "app";

/// The fixture's own user, who is let in over the socket alone.
const ADMIN: &str = "session-testkit";

/// The files of one server, in its folder.
const CONFIG_FILE: &str = "server.cnf";
const CLIENT_FILE: &str = "client.cnf";
const USERS_FILE: &str = "users.sql";

/// Said to the server, and when the data directory is made.
const LOG_SIZE: &str = "innodb-log-file-size=4M";

/// How long it may take until a connection is closed.
const CLOSING: Duration = Duration::from_secs(10);

/// A MariaDB server in a temporary folder, which ends when this is dropped.
///
/// It has a database `app`, and a user of that name with a random password, who may do everything
/// in there and nothing elsewhere. Unless told otherwise it does not wait for the disk
/// (`innodb_flush_method` is `nosync`): what was committed survives a [`kill`](Self::kill), and
/// would not survive a loss of power. Queries of the fixture itself go over a Unix socket as a
/// user with every privilege.
///
/// Run by root, who is refused by MariaDB, it runs as `nobody`.
///
/// ```no_run
/// # async fn example() {
/// use session_testkit::servers::MariaDb;
///
/// let mariadb = MariaDb::builder().config("max_connections", 50).start().await;
/// mariadb.query("CREATE TABLE greetings (text TEXT)").await;
/// mariadb.query("INSERT INTO greetings VALUES ('hello')").await;
/// mariadb.kill();
/// mariadb.restart().await;
/// assert_eq!(mariadb.query("SELECT text FROM greetings").await, "hello");
/// # }
/// ```
pub struct MariaDb {
    server: Server,
    /// Of both users.
    password: String,
}

impl MariaDb {
    /// Starts a server, and returns when it answers.
    ///
    /// # Panics
    ///
    /// As [`MariaDbBuilder::start`].
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A server with a configuration of one's own.
    pub fn builder() -> MariaDbBuilder {
        MariaDbBuilder::default()
    }

    /// `mysql://app:PASSWORD@127.0.0.1:PORT/app`.
    pub fn url(&self) -> String {
        format!("mysql://{APP}:{}@{}/{APP}", self.password, self.address())
    }

    /// Runs SQL with every privilege, in the database `app`, and returns the rows one a line,
    /// with a tab between columns.
    ///
    /// # Panics
    ///
    /// If a statement fails, or all of them have not ended within 30 seconds.
    pub async fn query(&self, sql: &str) -> String {
        self.try_query(sql).await.unwrap_or_else(|error| self.server.fail(sql, &error))
    }

    /// As [`query`](Self::query), but returns what the server objects to.
    ///
    /// # Errors
    ///
    /// The server's, or that there is no answer.
    pub async fn try_query(&self, sql: &str) -> io::Result<String> {
        self.query_within(RESPONSE, sql).await
    }

    /// Has the server refuse what its users write, on open connections as well, or no longer
    /// refuse it (`read_only`). A transaction that has written is not to be committed then. The
    /// queries of the fixture are not refused, and a restart ends it.
    ///
    /// # Panics
    ///
    /// As [`query`](Self::query).
    pub async fn read_only(&self, read_only: bool) {
        self.query(&format!("SET GLOBAL read_only = {read_only}")).await;
    }

    /// Closes the connections of the user `app` from the server's side (`KILL`), and returns
    /// their number when they are closed.
    ///
    /// # Panics
    ///
    /// As [`query`](Self::query), or if one is still there after ten seconds.
    pub async fn terminate_connections(&self) -> usize {
        let open = format!("SELECT id FROM information_schema.processlist WHERE user = '{APP}'");
        let before = self.query(&open).await;
        self.query(&format!("KILL CONNECTION USER {APP}")).await;
        let patience = Patience::new(CLOSING);
        while self.query(&open).await.lines().any(|id| before.lines().any(|other| other == id)) {
            patience.wait_for(self.server.report("connections to be closed")).await;
        }
        before.lines().count()
    }

    async fn query_within(&self, limit: Duration, sql: &str) -> io::Result<String> {
        let options = self.server.process.folder().join(CLIENT_FILE);
        let mut arguments = vec![format!("--defaults-file={}", options.display())];
        arguments.extend(["--batch", "--raw", "--skip-column-names", APP].map(str::to_owned));
        client::run(&program("mariadb"), &arguments, sql, limit).await
    }
}

controls!(MariaDb);

impl Fixture for MariaDb {
    fn server(&self) -> &Server {
        &self.server
    }

    async fn ready(&self) -> io::Result<()> {
        self.server.wait_for_answer(|| self.query_within(POLL, "SELECT 1")).await
    }
}

/// Says how a [`MariaDb`] is to be configured, and starts it.
///
/// ```no_run
/// # async fn example() {
/// use session_testkit::servers::MariaDb;
///
/// let mariadb = MariaDb::builder()
///     .config("innodb_flush_method", "O_DIRECT")
///     .config("innodb_lock_wait_timeout", 1)
///     .start()
///     .await;
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct MariaDbBuilder {
    lines: Vec<String>,
    certificates: Option<Certificates>,
}

impl MariaDbBuilder {
    /// Adds an option to the server's option file. Later ones prevail, over the fixture's own as
    /// well.
    #[must_use]
    pub fn config(mut self, option: &str, value: impl fmt::Display) -> Self {
        self.lines.push(format!("{option}={value}"));
        self
    }

    /// Has the server take connections by TLS as well as without, and show this certificate.
    #[must_use]
    pub fn tls(mut self, certificates: &Certificates) -> Self {
        self.certificates = Some(certificates.clone());
        self
    }

    /// Starts the server, and returns when it answers.
    ///
    /// The first start on a machine takes some seconds longer: it makes the data directory of
    /// which all servers get a copy, and leaves it in the temporary folder of the system.
    ///
    /// # Panics
    ///
    /// If a program is missing, refuses its configuration, or does not answer within 20 seconds.
    /// The message tells what the server has logged.
    pub async fn start(self) -> MariaDb {
        let launch = || server::launch("mariadbd", self.clone(), Self::launch);
        server::settle(launch().await, launch).await
    }

    fn launch(self) -> io::Result<MariaDb> {
        let account = Account::unprivileged()?;
        let program = program("mariadbd").run_as(account);
        let arguments = vec![format!("--defaults-file={CONFIG_FILE}")];
        let server = Server::new("MariaDb", program.clone(), arguments)?;
        let password = Token::random(&OsEntropy).map_err(io::Error::other)?.to_text();

        let folder = server.process.folder();
        template::unpack(&program, folder, |folder| steps(account, folder))?;
        fs::write(folder.join(USERS_FILE), users(&password))?;
        fs::write(folder.join(CLIENT_FILE), client_options(folder, &password))?;
        if let Some(certificates) = &self.certificates {
            certificates.write_server(account, folder)?;
        }
        fs::write(folder.join(CONFIG_FILE), self.configuration(&server))?;
        server.process.start()?;
        Ok(MariaDb { server, password })
    }

    fn configuration(self, server: &Server) -> String {
        let folder = server.process.folder().display();
        let mut lines = vec![
            "[mariadbd]".to_owned(),
            format!("datadir={folder}/data"),
            format!("init-file={folder}/{USERS_FILE}"),
            format!("socket={}", socket(server.process.folder())),
            "bind-address=127.0.0.1".to_owned(),
            format!("port={}", server.port.number()),
            "skip-name-resolve".to_owned(),
            "character-set-server=utf8mb4".to_owned(),
            LOG_SIZE.to_owned(),
            "innodb-buffer-pool-size=16M".to_owned(),
            "innodb-temp-data-file-path=ibtmp1:1M:autoextend".to_owned(),
            "innodb-flush-method=nosync".to_owned(),
            "innodb-doublewrite=OFF".to_owned(),
            // Of which there may be little for all the servers of a machine.
            "innodb-use-native-aio=OFF".to_owned(),
        ];
        if self.certificates.is_some() {
            lines.push(format!("ssl-cert={folder}/{SERVER_CERT}"));
            lines.push(format!("ssl-key={folder}/{SERVER_KEY}"));
        }
        lines.extend(self.lines);
        lines.join("\n") + "\n"
    }
}

/// Read by the server whenever it starts. With names not resolved, `localhost` is the socket.
fn users(password: &str) -> String {
    format!(
        "CREATE DATABASE IF NOT EXISTS {APP};\n\
         CREATE USER IF NOT EXISTS `{APP}`@`127.0.0.1` IDENTIFIED BY '{password}';\n\
         GRANT ALL ON {APP}.* TO `{APP}`@`127.0.0.1`;\n\
         CREATE USER IF NOT EXISTS `{ADMIN}`@localhost IDENTIFIED BY '{password}';\n\
         GRANT ALL ON *.* TO `{ADMIN}`@localhost WITH GRANT OPTION;\n"
    )
}

/// In a file, because others may see the arguments of a program.
fn client_options(folder: &Path, password: &str) -> String {
    format!("[client]\nsocket={}\nuser={ADMIN}\npassword={password}\n", socket(folder))
}

fn socket(folder: &Path) -> String {
    folder.join("mariadb.sock").display().to_string()
}

/// How the data directory is made of which all servers get a copy.
fn steps(account: Account, folder: &Path) -> Vec<Step> {
    let arguments = vec![
        "--no-defaults".to_owned(),
        format!("--datadir={}", folder.join("data").display()),
        "--skip-name-resolve".to_owned(),
        "--skip-test-db".to_owned(),
        format!("--{LOG_SIZE}"),
    ];
    vec![Step { program: program("mariadb-install-db").run_as(account), arguments, input: "" }]
}

fn program(name: &str) -> Program {
    Program::find(name, DEBIAN_PACKAGE)
}
