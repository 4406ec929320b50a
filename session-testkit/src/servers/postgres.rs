//! One PostgreSQL server.

use std::path::{Path, PathBuf};
use std::process::Command;
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

/// Where Debian keeps one folder of programs for each version.
const VERSIONS: &str = "/usr/lib/postgresql";

const DEBIAN_PACKAGE: &str = "postgresql";

/// The database of the tests, and the role that owns it.
pub(super) const APP: &str = "app";

/// The fixture's own role, a superuser.
const ADMIN: &str = "postgres";

/// Run in the database `template1` by a server that has no users yet, one command on a line.
const MAKE_APP: &str = "CREATE ROLE app LOGIN\n\
                        ALTER DATABASE postgres RENAME TO app\n\
                        ALTER DATABASE app OWNER TO app\n\
                        ALTER DATABASE template0 IS_TEMPLATE false\n\
                        DROP DATABASE template0\n";

/// Run in the database `app` after that. Each database has three hundred files, which take longer
/// to copy than all the rest.
const DROP_TEMPLATE: &str = "ALTER DATABASE template1 IS_TEMPLATE false\n\
                             DROP DATABASE template1\n";

/// How long it may take until every connection knows of a setting.
const RELOAD: Duration = Duration::from_secs(10);

/// A PostgreSQL server in a temporary folder, which ends when this is dropped.
///
/// It has a database `app` and no other, not even one from which more could be made; and a role of
/// that name with a random password, which owns it and may do nothing else. Unless told otherwise
/// it does not wait for the disk (`fsync` is off): what was committed survives a
/// [`kill`](Self::kill), and would not survive a loss of power. Queries of the fixture itself go
/// over a Unix socket as a superuser.
///
/// Run by root, who is refused by PostgreSQL, it runs as `nobody`.
///
/// ```no_run
/// # async fn example() {
/// use session_testkit::servers::Postgres;
///
/// let postgres = Postgres::builder().config("max_connections", 50).start().await;
/// postgres.query("CREATE TABLE greetings (text TEXT)").await;
/// postgres.query("INSERT INTO greetings VALUES ('hello')").await;
/// postgres.kill();
/// postgres.restart().await;
/// assert_eq!(postgres.query("SELECT text FROM greetings").await, "hello");
/// # }
/// ```
pub struct Postgres {
    server: Server,
    password: String,
}

impl Postgres {
    /// Starts a server, and returns when it answers.
    ///
    /// # Panics
    ///
    /// As [`PostgresBuilder::start`].
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A server with a configuration of one's own.
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::default()
    }

    /// `postgres://app:PASSWORD@127.0.0.1:PORT/app`.
    pub fn url(&self) -> String {
        format!("postgres://{APP}:{}@{}/{APP}", self.password, self.address())
    }

    /// Runs SQL as a superuser, each statement in a transaction of its own, and returns the rows
    /// one a line, with a tab between columns.
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

    /// Has all transactions that begin from now on refuse to write, or no longer refuse it, those
    /// on open connections included (`default_transaction_read_only`).
    ///
    /// # Panics
    ///
    /// As [`query`](Self::query), or if the server has not heard of it within ten seconds.
    pub async fn read_only(&self, read_only: bool) {
        let value = if read_only { "on" } else { "off" };
        self.query(&format!(
            "ALTER SYSTEM SET default_transaction_read_only = {value}; SELECT pg_reload_conf()"
        ))
        .await;
        let patience = Patience::new(RELOAD);
        // New connections know of it from the process that makes them, which has told all others.
        while self.query("SHOW default_transaction_read_only").await != value {
            patience.wait_for(self.server.report("a setting to be known")).await;
        }
    }

    /// Closes the connections of all clients but the fixture's own from the server's side
    /// (`pg_terminate_backend`), and returns how many it was when they are closed. One that was
    /// about to close anyway, or that does not within ten seconds, does not count.
    ///
    /// # Panics
    ///
    /// As [`query`](Self::query).
    pub async fn terminate_backends(&self) -> usize {
        let ended = self
            .query(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
                 WHERE backend_type = 'client backend' AND usename <> current_user",
            )
            .await;
        ended.lines().filter(|&is_closed| is_closed == "t").count()
    }

    /// Of the role of the tests.
    pub(super) fn password(&self) -> &str {
        &self.password
    }

    async fn query_within(&self, limit: Duration, sql: &str) -> io::Result<String> {
        psql(&self.server, ADMIN, APP, sql, limit).await
    }
}

controls!(Postgres);

impl Fixture for Postgres {
    fn server(&self) -> &Server {
        &self.server
    }

    async fn ready(&self) -> io::Result<()> {
        self.server.wait_for_answer(|| self.query_within(POLL, "SELECT 1")).await
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
        // A server that is killed leaves a segment of shared memory behind, which the next one on
        // the same folder would remove. The system has room for some thousands.
        if let Some(segment) = segment(&data(&self.server)) {
            let _ = Command::new("ipcrm").args(["-m", &segment]).output();
        }
    }
}

/// Says how a [`Postgres`] is to be configured, and starts it.
///
/// ```no_run
/// # async fn example() {
/// use session_testkit::servers::Postgres;
///
/// let postgres = Postgres::builder()
///     .config("fsync", "on")
///     .config("log_statement", "all")
///     .start()
///     .await;
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct PostgresBuilder {
    lines: Vec<String>,
    certificates: Option<Certificates>,
}

impl PostgresBuilder {
    /// Sets a parameter in the configuration file. Later ones prevail, over the fixture's own as
    /// well.
    #[must_use]
    pub fn config(mut self, parameter: &str, value: impl fmt::Display) -> Self {
        self.lines.push(line(parameter, value));
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
    /// The first start on a machine takes about a second longer: it makes the data directory of
    /// which all servers get a copy, and leaves it in the temporary folder of the system.
    ///
    /// # Panics
    ///
    /// If a program is missing, refuses its configuration, or does not answer within 20 seconds.
    /// The message tells what the server has logged.
    pub async fn start(self) -> Postgres {
        let launch = || server::launch("postgres", self.clone(), Self::launch);
        let postgres = server::settle(launch().await, launch).await;
        postgres.query(&format!("ALTER ROLE {APP} PASSWORD '{}'", postgres.password)).await;
        postgres
    }

    fn launch(self) -> io::Result<Postgres> {
        let account = Account::unprivileged()?;
        let program = program("postgres").run_as(account);
        let arguments = ["-D", "data"].map(str::to_owned).to_vec();
        let server = Server::new("Postgres", program.clone(), arguments)?;
        template::unpack(&program, server.process.folder(), |folder| steps(account, folder))?;
        if let Some(certificates) = &self.certificates {
            certificates.write_server(account, server.process.folder())?;
        }
        fs::write(data(&server).join("postgresql.conf"), self.configuration(&server))?;
        server.process.start()?;
        let password = Token::random(&OsEntropy).map_err(io::Error::other)?.to_text();
        Ok(Postgres { server, password })
    }

    fn configuration(self, server: &Server) -> String {
        let mut lines = vec![
            line("listen_addresses", "127.0.0.1"),
            line("port", server.port.number()),
            line("unix_socket_directories", server.process.folder().display()),
            line("shared_buffers", "16MB"),
            line("max_wal_size", "256MB"),
            // Not in memory that outlives a server which is killed.
            line("dynamic_shared_memory_type", "mmap"),
            line("fsync", "off"),
            line("full_page_writes", "off"),
            line("log_line_prefix", "%m [%p] "),
        ];
        if self.certificates.is_some() {
            let folder = server.process.folder();
            lines.extend([
                line("ssl", "on"),
                line("ssl_cert_file", folder.join(SERVER_CERT).display()),
                line("ssl_key_file", folder.join(SERVER_KEY).display()),
            ]);
        }
        lines.extend(self.lines);
        lines.join("\n") + "\n"
    }
}

/// Runs SQL over the socket in the server's folder.
pub(super) async fn psql(
    server: &Server,
    user: &str,
    database: &str,
    sql: &str,
    limit: Duration,
) -> io::Result<String> {
    let (folder, port) = (server.process.folder().display(), server.port.number());
    let options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"];
    let mut arguments = options.map(str::to_owned).to_vec();
    arguments.extend([
        "--field-separator=\t".to_owned(),
        "--set=ON_ERROR_STOP=1".to_owned(),
        format!("--dbname=host={folder} port={port} user={user} dbname={database}"),
    ]);
    client::run(&program("psql"), &arguments, sql, limit).await
}

/// How the data directory is made of which all servers get a copy.
fn steps(account: Account, folder: &Path) -> Vec<Step> {
    let folder = folder.join("data").display().to_string();
    let initdb = [
        "--no-sync",
        "--encoding=UTF8",
        "--locale=C",
        "--username=postgres",
        // Others do not get into the folder where the socket is.
        "--auth-local=trust",
        "--auth-host=scram-sha-256",
        // The smallest there are: they are copied as well.
        "--wal-segsize=1",
        "-D",
        &folder,
    ];
    let single = |database| ["--single", "-F", "-c", "exit_on_error=on", "-D", &folder, database];
    let step = |name, arguments: &[&str], input| Step {
        program: program(name).run_as(account),
        arguments: arguments.iter().copied().map(str::to_owned).collect(),
        input,
    };
    vec![
        step("initdb", &initdb, ""),
        step("postgres", &single("template1"), MAKE_APP),
        step("postgres", &single(APP), DROP_TEMPLATE),
    ]
}

/// A program of the newest server that Debian has installed, or else of the one on the `PATH`.
fn program(name: &str) -> Program {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let versions = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let programs = |version: u32| Path::new(VERSIONS).join(version.to_string()).join("bin");
    // There may be clients of newer ones.
    let newest = versions.filter(|&version| programs(version).join("postgres").is_file()).max();
    match newest {
        Some(version) => Program::find_in(&programs(version), name, DEBIAN_PACKAGE),
        None => Program::find(name, DEBIAN_PACKAGE),
    }
}

fn line(parameter: &str, value: impl fmt::Display) -> String {
    format!("{parameter} = '{}'", value.to_string().replace('\'', "''"))
}

fn data(server: &Server) -> PathBuf {
    server.process.folder().join("data")
}

/// The segment of shared memory of a server that has not ended by itself.
fn segment(data: &Path) -> Option<String> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let (_key, id) = text.lines().nth(6)?.trim().split_once(' ')?;
    Some(id.trim().to_owned())
}
