//! Steps of migrations, taken without a prepared statement: a pooler hands the server's session, with
//! all that were prepared in it, on to others, and statements of the driver have the same names everywhere.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::migrate::{AppliedMigration, Migrate, MigrateError, Migration};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

/// A connection in a transaction.
pub(super) struct Unprepared<'c>(pub(super) &'c mut PgConnection);

impl Migrate for Unprepared<'_> {
    fn create_schema_if_not_exists<'e>(
        &'e mut self,
        schema: &'e str,
    ) -> BoxFuture<'e, Result<(), MigrateError>> {
        self.0.create_schema_if_not_exists(schema)
    }

    fn ensure_migrations_table<'e>(
        &'e mut self,
        table: &'e str,
    ) -> BoxFuture<'e, Result<(), MigrateError>> {
        self.0.ensure_migrations_table(table)
    }

    /// A step that fails is taken back with the transaction.
    fn dirty_version<'e>(
        &'e mut self,
        _: &'e str,
    ) -> BoxFuture<'e, Result<Option<i64>, MigrateError>> {
        Box::pin(async { Ok(None) })
    }

    fn list_applied_migrations<'e>(
        &'e mut self,
        table: &'e str,
    ) -> BoxFuture<'e, Result<Vec<AppliedMigration>, MigrateError>> {
        Box::pin(async move {
            let select = format!("SELECT version, checksum FROM {table} ORDER BY version");
            let rows = sqlx::raw_sql(AssertSqlSafe(select)).fetch_all(&mut *self.0).await?;
            let applied = rows.iter().map(|row| {
                let checksum: Vec<u8> = row.try_get(1)?;
                Ok(AppliedMigration { version: row.try_get(0)?, checksum: checksum.into() })
            });
            applied.collect()
        })
    }

    fn lock(&mut self) -> BoxFuture<'_, Result<(), MigrateError>> {
        self.0.lock()
    }

    fn unlock(&mut self) -> BoxFuture<'_, Result<(), MigrateError>> {
        self.0.unlock()
    }

    fn apply<'e>(
        &'e mut self,
        table: &'e str,
        step: &'e Migration,
    ) -> BoxFuture<'e, Result<Duration, MigrateError>> {
        Box::pin(async move {
            let taken = sqlx::raw_sql(step.sql.clone()).execute(&mut *self.0).await;
            taken.map_err(|error| MigrateError::ExecuteMigration(error, step.version))?;
            let checksum: String = step.checksum.iter().map(|byte| format!("{byte:02x}")).collect();
            let account = format!(
                "INSERT INTO {table} (version, description, success, checksum, execution_time) \
                 VALUES ({}, '{}', TRUE, '\\x{checksum}', -1)",
                step.version, step.description
            );
            sqlx::raw_sql(AssertSqlSafe(account)).execute(&mut *self.0).await?;
            Ok(Duration::ZERO)
        })
    }

    fn revert<'e>(
        &'e mut self,
        table: &'e str,
        step: &'e Migration,
    ) -> BoxFuture<'e, Result<Duration, MigrateError>> {
        self.0.revert(table, step)
    }

    fn skip<'e>(
        &'e mut self,
        table: &'e str,
        step: &'e Migration,
    ) -> BoxFuture<'e, Result<(), MigrateError>> {
        self.0.skip(table, step)
    }
}
