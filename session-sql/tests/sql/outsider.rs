//! Connections that are none of a store's.

use session_core::Key;
use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

/// Somebody else in the same database.
pub(crate) enum Outsider {
    Postgres(PgConnection),
    MariaDb(MySqlConnection),
    Sqlite(SqliteConnection),
}

impl Outsider {
    pub(crate) async fn connect(url: &str) -> Self {
        match url.split_once(':').unwrap().0 {
            "postgres" => Self::Postgres(PgConnection::connect(url).await.unwrap()),
            "mysql" => Self::MariaDb(MySqlConnection::connect(url).await.unwrap()),
            _ => {
                let url = format!("{url}?mode=rwc");
                Self::Sqlite(SqliteConnection::connect(&url).await.unwrap())
            }
        }
    }

    pub(crate) async fn execute(&mut self, sql: &str) {
        self.try_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub(crate) async fn try_execute(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match self {
            Self::Postgres(connection) => sql.execute(connection).await.map(drop),
            Self::MariaDb(connection) => sql.execute(connection).await.map(drop),
            Self::Sqlite(connection) => sql.execute(connection).await.map(drop),
        }
    }

    pub(crate) async fn count(&mut self, table: &str) -> usize {
        self.ask(&format!("SELECT count(*) FROM {table}")).await
    }

    /// The one number that is the answer.
    pub(crate) async fn ask(&mut self, sql: &str) -> usize {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        // Numbers come as texts, whatever type they are of; but not in SQLite.
        let text: String = match self {
            Self::Postgres(connection) => sql.fetch_one(connection).await.unwrap().get_unchecked(0),
            Self::MariaDb(connection) => sql.fetch_one(connection).await.unwrap().get_unchecked(0),
            Self::Sqlite(connection) => sql.fetch_one(connection).await.unwrap().get_unchecked(0),
        };
        text.parse().unwrap()
    }

    /// A key as the dialect writes it.
    pub(crate) fn literal(&self, key: &Key) -> String {
        match self {
            Self::Postgres(_) => format!("'\\x{}'", hex(key)),
            Self::MariaDb(_) | Self::Sqlite(_) => format!("X'{}'", hex(key)),
        }
    }

    /// Ends its transaction, and the connection.
    pub(crate) async fn release(mut self) {
        self.execute("COMMIT").await;
        match self {
            Self::Postgres(connection) => connection.close().await.unwrap(),
            Self::MariaDb(connection) => connection.close().await.unwrap(),
            Self::Sqlite(connection) => connection.close().await.unwrap(),
        }
    }
}

/// A key as the column holds it, in hexadecimal.
pub(crate) fn hex(key: &Key) -> String {
    let partition = key.partition();
    let bytes = partition.as_bytes().iter().chain(key.digest());
    bytes.map(|byte| format!("{byte:02x}")).collect()
}
