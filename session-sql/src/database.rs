//! Where the sessions are, as a URL says it.

use std::fmt;

use session_core::{Error, ErrorKind};

use crate::migrations::Migration;
use crate::table::TableName;

/// A database, known by the scheme of its URL.
///
/// | scheme | database | feature |
/// |---|---|---|
/// | `postgres`, `postgresql` | PostgreSQL 12 or later | `postgres` |
/// | `mysql`, `mariadb` | MySQL 8.0, MariaDB 10.6, or later | `mysql` |
/// | `sqlite` | SQLite, in a file | `sqlite` |
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use session_sql::Database;
///
/// assert!(Database::parse("sqlite://sessions.db").is_ok());
/// assert!(Database::parse("oracle://db.internal/").is_err());
/// # }
/// ```
#[derive(Clone)]
pub struct Database(pub(crate) Options);

#[derive(Clone)]
pub(crate) enum Options {
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgConnectOptions),
    #[cfg(feature = "mysql")]
    MySql(sqlx::mysql::MySqlConnectOptions),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::sqlite::SqliteConnectOptions),
}

impl Database {
    /// Reads a URL, with the parameters that `sqlx` knows: for PostgreSQL and MySQL
    /// `user:password@host:port/database?ssl-mode=…` and a few more, for SQLite the path of a
    /// file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] if it is none, if its scheme is not known or not compiled in,
    /// if a parameter is none that `sqlx` knows, or if it asks for TLS without the feature `tls`.
    /// No error tells what is in the URL.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let (scheme, _) = url.split_once(':').ok_or_else(|| wrong(NO_URL))?;
        match scheme {
            "postgres" | "postgresql" => postgres(url),
            "mysql" | "mariadb" => mysql(url),
            "sqlite" => sqlite(url),
            _ => Err(wrong(
                "a database is told by a URL with the scheme `postgres`, `mysql` or `sqlite`",
            )),
        }
    }

    /// The statements that make the tables, for those who run their migrations themselves.
    ///
    /// They are what [`migrate`](crate::SqlStoreBuilder::migrate) executes, which keeps
    /// account of them in a table of its own: make the tables in the one way or in the other.
    #[must_use]
    pub fn migrations(&self, table: &TableName) -> Vec<Migration> {
        match self.0 {
            #[cfg(feature = "postgres")]
            Options::Postgres(_) => crate::postgres::Postgres::migrations(table),
            #[cfg(feature = "mysql")]
            Options::MySql(_) => crate::mysql::MySql::migrations(table),
            #[cfg(feature = "sqlite")]
            Options::Sqlite(_) => crate::sqlite::Sqlite::migrations(table),
        }
    }

    /// What kind of database it is.
    pub(crate) fn dialect(&self) -> &'static str {
        match self.0 {
            #[cfg(feature = "postgres")]
            Options::Postgres(_) => "postgres",
            #[cfg(feature = "mysql")]
            Options::MySql(_) => "mysql",
            #[cfg(feature = "sqlite")]
            Options::Sqlite(_) => "sqlite",
        }
    }
}

/// The kind alone: host, user and password are in the rest.
impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({})", self.dialect())
    }
}

#[cfg(feature = "postgres")]
fn postgres(url: &str) -> Result<Database, Error> {
    use sqlx::ConnectOptions as _;
    use sqlx::postgres::{PgConnectOptions, PgSslMode};
    let url = with_known_parameters(url, |name| {
        POSTGRES_PARAMETERS.contains(&name) || name.starts_with("options[")
    })?;
    let options = PgConnectOptions::from_url(&url).map_err(|_| wrong(NO_URL))?;
    let demands = !matches!(
        options.get_ssl_mode(),
        PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer
    );
    check_tls(demands)?;
    Ok(Database(Options::Postgres(options)))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str) -> Result<Database, Error> {
    Err(needs_feature("postgres"))
}

#[cfg(feature = "mysql")]
fn mysql(url: &str) -> Result<Database, Error> {
    use sqlx::ConnectOptions as _;
    use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
    let url = with_known_parameters(url, |name| MYSQL_PARAMETERS.contains(&name))?;
    let options = MySqlConnectOptions::from_url(&url).map_err(|_| wrong(NO_URL))?;
    let demands =
        !matches!(options.get_ssl_mode(), MySqlSslMode::Disabled | MySqlSslMode::Preferred);
    check_tls(demands)?;
    Ok(Database(Options::MySql(options)))
}

#[cfg(not(feature = "mysql"))]
fn mysql(_: &str) -> Result<Database, Error> {
    Err(needs_feature("mysql"))
}

#[cfg(feature = "sqlite")]
fn sqlite(url: &str) -> Result<Database, Error> {
    let options: sqlx::sqlite::SqliteConnectOptions = url.parse().map_err(|_| wrong(NO_URL))?;
    let is_file = !url.contains(":memory:") && !url.contains("mode=memory");
    if !is_file || options.get_filename().as_os_str().is_empty() {
        return Err(wrong(
            "SQLite keeps sessions in a file here: for sessions in memory there is the memory \
             store",
        ));
    }
    Ok(Database(Options::Sqlite(options)))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &str) -> Result<Database, Error> {
    Err(needs_feature("sqlite"))
}

#[cfg(feature = "postgres")]
const POSTGRES_PARAMETERS: &[&str] = &[
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

#[cfg(feature = "mysql")]
const MYSQL_PARAMETERS: &[&str] = &[
    "charset",
    "collation",
    "socket",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "sslca",
    "sslcert",
    "sslkey",
    "sslmode",
    "statement-cache-capacity",
    "time-zone",
    "timezone",
];

/// A URL whose parameters are all known: `sqlx` leaves others out, and logs what they say, which may
/// be a password with its name mistyped.
#[cfg(any(feature = "postgres", feature = "mysql"))]
fn with_known_parameters(url: &str, is_known: impl Fn(&str) -> bool) -> Result<url::Url, Error> {
    let url = url::Url::parse(url).map_err(|_| wrong(NO_URL))?;
    if url.query_pairs().all(|(name, _)| is_known(&name)) {
        Ok(url)
    } else {
        Err(wrong("a parameter of this URL is none that its database knows"))
    }
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
fn check_tls(demands: bool) -> Result<(), Error> {
    if demands && cfg!(not(feature = "tls")) {
        return Err(
            wrong("TLS is not compiled in: enable the feature `tls`").with("feature", "tls")
        );
    }
    Ok(())
}

#[cfg(not(all(feature = "postgres", feature = "mysql", feature = "sqlite")))]
fn needs_feature(feature: &str) -> Error {
    wrong(&format!("this kind of database is not compiled in: enable the feature `{feature}`"))
        .with("feature", feature)
}

fn wrong(reason: &str) -> Error {
    Error::new(ErrorKind::Misconfigured, reason).with("field", "url")
}

const NO_URL: &str = "this is no URL of a database, such as postgres://user@host/database";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_none_is_refused_without_being_told() {
        for url in [
            "",
            "hunter2",
            "http://hunter2/",
            "postgres://u:hunter2@h:99999999/",
            "postgres://u:hunter2@h/?sslmode=hunter2",
            "postgres://u@h/d?passwort=hunter2",
            "postgres://u@h/d?sslmode=disable&hunter2",
            "mysql://u:hunter2@h:port/",
            "mysql://u@h/d?passwort=hunter2",
            "mysql://u@h/d?password=hunter2",
            "sqlite://a.db?mode=hunter2",
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite://x?mode=memory",
            "sqlite://",
        ] {
            let error = Database::parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{url}");
            assert_eq!(error.context("field"), Some("url"), "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}");
        }
    }

    #[test]
    #[cfg(all(feature = "postgres", feature = "mysql", feature = "sqlite"))]
    fn parameters_are_those_that_sqlx_knows() {
        for name in POSTGRES_PARAMETERS {
            let value = if name.contains("mode") { "prefer" } else { "1" };
            let value = if *name == "hostaddr" { "::1" } else { value };
            let url = format!("postgres://h/d?{name}={value}");
            Database::parse(&url).unwrap();
            assert!(!said_of(&url).contains("unrecognized"), "{url}");
        }
        Database::parse("postgres://h/d?options[search_path]=sessions").unwrap();
        for name in MYSQL_PARAMETERS {
            let value = if name.contains("mode") { "preferred" } else { "1" };
            Database::parse(&format!("mysql://h/d?{name}={value}")).unwrap();
        }
    }

    /// What is said while a URL is read, as the most talkative of subscribers writes it.
    fn said_of(url: &str) -> String {
        let written = tempfile::NamedTempFile::new().unwrap();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(std::sync::Mutex::new(written.reopen().unwrap()))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!("reading");
            let _ = Database::parse(url);
        });
        std::fs::read_to_string(written.path()).unwrap()
    }

    #[test]
    fn what_a_url_says_is_not_logged() {
        for scheme in ["postgres", "mysql", "sqlite"] {
            for query in ["passwort=hunter2", "sslmode=hunter2", "options=x&hunter2=1"] {
                let said = said_of(&format!("{scheme}://u:hunter2@h/d?{query}"));
                assert!(said.contains("reading"), "{said}");
                assert!(!said.contains("hunter2"), "{said}");
            }
        }
    }

    #[test]
    #[cfg(all(feature = "postgres", feature = "mysql", feature = "sqlite"))]
    fn the_scheme_tells_the_dialect() {
        for (url, dialect) in [
            ("postgres://u:secret@h/d", "postgres"),
            ("postgresql://h", "postgres"),
            ("mysql://u:secret@h/d", "mysql"),
            ("mariadb://h/d", "mysql"),
            ("sqlite://a.db", "sqlite"),
            ("sqlite:a.db", "sqlite"),
        ] {
            let database = Database::parse(url).unwrap();
            assert_eq!(database.dialect(), dialect);
            assert_eq!(format!("{database:?}"), format!("Database({dialect})"));
        }
    }

    #[test]
    #[cfg(all(feature = "postgres", not(feature = "tls")))]
    fn tls_is_not_left_out_in_silence() {
        let error = Database::parse("postgres://h/d?sslmode=require").unwrap_err();
        assert!(error.to_string().contains("enable the feature `tls`"), "{error}");
    }
}
