//! How the tables come to be.

use session_core::{Error, ErrorKind};
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use crate::error::Failure;
use crate::table::TableName;

/// One step in the making of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// Steps are taken in the order of their versions, from 1 on.
    pub version: i64,
    /// What it is about.
    pub description: &'static str,
    /// The statements, each ended by a semicolon.
    pub sql: String,
}

/// A step as it is embedded, for a table whose name is not known yet.
pub(crate) struct Template {
    pub(crate) version: i64,
    pub(crate) description: &'static str,
    pub(crate) sql: &'static str,
}

/// The steps for a table. `quote` is what the database puts around names.
pub(crate) fn of(templates: &[Template], table: &TableName, quote: char) -> Vec<Migration> {
    let index = |purpose| format!("{quote}{}_{purpose}{quote}", table.name());
    let migration = |template: &Template| Migration {
        version: template.version,
        description: template.description,
        sql: template
            .sql
            .replace("{table}", &table.quoted(quote, ""))
            .replace("{nodes}", &table.quoted(quote, "_nodes"))
            .replace("{index:ends_at}", &index("ends_at"))
            .replace("{index:subject}", &index("subject")),
    };
    templates.iter().map(migration).collect()
}

/// Takes the steps that were not taken yet, and remembers them in a table beside. The caller sees to
/// it that nobody else does so meanwhile.
pub(crate) async fn run<C: Migrate>(
    connection: &mut C,
    migrations: &[Migration],
    bookkeeping: String,
) -> Result<(), Failure> {
    let steps = migrations.iter().map(|Migration { version, description, sql }| {
        sqlx::migrate::Migration::new(
            *version,
            (*description).into(),
            sqlx::migrate::MigrationType::Simple,
            AssertSqlSafe(sql.as_str()).into_sql_str(),
            false,
        )
    });
    let mut migrator = Migrator::with_migrations(steps.collect());
    migrator.dangerous_set_table_name(bookkeeping);
    migrator.set_locking(false);
    migrator.run_direct(None, connection, false).await.map_err(failure)
}

/// There is a table, and no account of how it was made.
pub(crate) const OCCUPIED: &str = "there is a table of that name which `migrate` has not made: made by hand, or another application's";

fn failure(error: MigrateError) -> Failure {
    let (message, version) = match error {
        MigrateError::Execute(error) => return error.into(),
        MigrateError::ExecuteMigration(error, version) => {
            let failure = Failure::from(error);
            if failure.error.kind() != ErrorKind::Misconfigured {
                return Failure { error: failure.error.with("migration", version), ..failure };
            }
            // The statements are right, unless something is there already.
            (OCCUPIED, version)
        }
        MigrateError::VersionMissing(version) => {
            ("the tables were brought up to date by a newer version of session-kit", version)
        }
        MigrateError::VersionMismatch(version) => {
            ("the tables were made by other statements than those of this version", version)
        }
        MigrateError::Dirty(version) => (
            "a step has stopped half way: see what is there, and remove it or complete it",
            version,
        ),
        _ => ("the tables cannot be brought up to date", 0),
    };
    Failure::refused(Error::new(ErrorKind::Misconfigured, message).with("migration", version))
}
