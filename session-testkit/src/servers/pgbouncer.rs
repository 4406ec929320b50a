//! PgBouncer in front of a PostgreSQL server.

use std::time::Duration;
use std::{fmt, fs, io};

use super::account::Account;
use super::postgres::{APP, Postgres, psql};
use super::program::Program;
use super::server::{self, Fixture, POLL, RESPONSE, Server, controls};

/// The fixture's own user, who is let in over the socket alone.
const ADMIN: &str = "session-testkit";

/// The files of one process, in its folder.
const CONFIG_FILE: &str = "pgbouncer.ini";
const USERS_FILE: &str = "users.txt";
const ACCESS_FILE: &str = "access.conf";

/// Who is let in: over the socket, whose folder is closed to others, without a password.
const ACCESS: &str = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";

/// A PgBouncer in front of a [`Postgres`], which ends when this is dropped.
///
/// Unless told otherwise it lends its connections for one transaction at a time: what one
/// statement makes of a session, such as a setting, a lock or a prepared statement, may be gone
/// for the next one, or be somebody else's. The one in Debian 12 (1.18) does not take care of
/// prepared statements.
///
/// Run by root, who is refused by PgBouncer, it runs as `nobody`.
///
/// ```no_run
/// # async fn example() {
/// use session_testkit::servers::{PgBouncer, Postgres};
///
/// let postgres = Postgres::start().await;
/// let pgbouncer = PgBouncer::builder(&postgres).config("default_pool_size", 1).start().await;
/// let url = pgbouncer.url();
/// # }
/// ```
pub struct PgBouncer {
    server: Server,
    /// Of the role of the tests, who is let through to the server with it.
    password: String,
}

impl PgBouncer {
    /// Starts a process in front of `postgres`, and returns when it answers.
    ///
    /// # Panics
    ///
    /// As [`PgBouncerBuilder::start`].
    pub async fn start(postgres: &Postgres) -> Self {
        Self::builder(postgres).start().await
    }

    /// One with a configuration of one's own, in front of `postgres`.
    pub fn builder(postgres: &Postgres) -> PgBouncerBuilder {
        let (port, password) = (postgres.port(), postgres.password().to_owned());
        PgBouncerBuilder { port, password, lines: Vec::new() }
    }

    /// `postgres://app:PASSWORD@127.0.0.1:PORT/app`, as that of the server but for the port.
    pub fn url(&self) -> String {
        format!("postgres://{APP}:{}@{}/{APP}", self.password, self.address())
    }

    /// Runs a command of the administration console, such as `SHOW POOLS`, and returns the rows
    /// one a line, with a tab between columns.
    ///
    /// # Panics
    ///
    /// If it fails, or has not ended within 30 seconds.
    pub async fn query(&self, command: &str) -> String {
        let answer = self.query_within(RESPONSE, command).await;
        answer.unwrap_or_else(|error| self.server.fail(command, &error))
    }

    async fn query_within(&self, limit: Duration, command: &str) -> io::Result<String> {
        psql(&self.server, ADMIN, "pgbouncer", command, limit).await
    }
}

controls!(PgBouncer);

impl Fixture for PgBouncer {
    fn server(&self) -> &Server {
        &self.server
    }

    async fn ready(&self) -> io::Result<()> {
        self.server.wait_for_answer(|| self.query_within(POLL, "SHOW VERSION")).await
    }
}

/// Says how a [`PgBouncer`] is to be configured, and starts it.
///
/// ```no_run
/// # async fn example() {
/// use session_testkit::servers::{PgBouncer, Postgres};
///
/// let postgres = Postgres::start().await;
/// let pgbouncer = PgBouncer::builder(&postgres)
///     .config("pool_mode", "session")
///     .config("query_wait_timeout", 1)
///     .start()
///     .await;
/// # }
/// ```
#[derive(Clone)]
pub struct PgBouncerBuilder {
    port: u16,
    password: String,
    lines: Vec<String>,
}

impl PgBouncerBuilder {
    /// Adds a setting to the section `[pgbouncer]` of the configuration file. Later ones prevail,
    /// over the fixture's own as well.
    #[must_use]
    pub fn config(mut self, setting: &str, value: impl fmt::Display) -> Self {
        self.lines.push(format!("{setting} = {value}"));
        self
    }

    /// Starts the process, and returns when it answers, whether the server does or not.
    ///
    /// # Panics
    ///
    /// If the program is missing, refuses its configuration, or does not answer within 20
    /// seconds. The message tells what it has logged.
    pub async fn start(self) -> PgBouncer {
        let launch = || server::launch("pgbouncer", self.clone(), Self::launch);
        server::settle(launch().await, launch).await
    }

    fn launch(self) -> io::Result<PgBouncer> {
        let program = Program::find("pgbouncer", "pgbouncer").run_as(Account::unprivileged()?);
        let server = Server::new("PgBouncer", program, vec![CONFIG_FILE.to_owned()])?;
        let Self { port, password, lines } = self;

        let folder = server.process.folder();
        let users = format!("\"{APP}\" \"{password}\"\n\"{ADMIN}\" \"\"\n");
        fs::write(folder.join(USERS_FILE), users)?;
        fs::write(folder.join(ACCESS_FILE), ACCESS)?;
        fs::write(folder.join(CONFIG_FILE), configuration(&server, port, &lines))?;
        server.process.start()?;
        Ok(PgBouncer { server, password })
    }
}

impl fmt::Debug for PgBouncerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, password: _, lines } = self;
        f.debug_struct("PgBouncerBuilder")
            .field("port", port)
            .field("lines", lines)
            .finish_non_exhaustive()
    }
}

fn configuration(server: &Server, postgres: u16, more: &[String]) -> String {
    let mut lines = vec![
        "[databases]".to_owned(),
        format!("{APP} = host=127.0.0.1 port={postgres}"),
        "[pgbouncer]".to_owned(),
        "listen_addr = 127.0.0.1".to_owned(),
        format!("listen_port = {}", server.port.number()),
        format!("unix_socket_dir = {}", server.process.folder().display()),
        "auth_type = hba".to_owned(),
        format!("auth_hba_file = {ACCESS_FILE}"),
        format!("auth_file = {USERS_FILE}"),
        format!("admin_users = {ADMIN}"),
        "pool_mode = transaction".to_owned(),
        // Sent by most drivers, and otherwise refused.
        "ignore_startup_parameters = extra_float_digits".to_owned(),
    ];
    lines.extend_from_slice(more);
    lines.join("\n") + "\n"
}
