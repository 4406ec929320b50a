//! SQLite.

use std::sync::Arc;
use std::time::Duration;

use session_core::{Backplane, Error, Key, Loaded, Record, Revision, Subject, Timestamp, Touch};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection as _, SqlSafeStr as _, SqlStr};

use crate::arguments::{add, add_beginning, add_key, add_record};
use crate::dialect::{Access, Alive, Dialect};
use crate::engine::Shared;
use crate::error::Failure;
use crate::migrations::{self, Migration, Template};
use crate::row::{self, COLUMNS, ENDS_AT, FIRST};
use crate::table::TableName;

/// A table in an SQLite file, and the statements about it.
pub(crate) struct Sqlite {
    options: SqliteConnectOptions,
    table: TableName,
    load: SqlStr,
    create: SqlStr,
    make_way: SqlStr,
    replace: SqlStr,
    rotate: SqlStr,
    touch: SqlStr,
    delete: SqlStr,
    purge_expired: SqlStr,
    list: SqlStr,
}

impl Sqlite {
    pub(crate) fn new(options: SqliteConnectOptions, table: TableName) -> Self {
        use sqlx::ConnectOptions as _;
        let name = table.quoted('"', "");
        let (columns, ends_at) = (COLUMNS.join(", "), ENDS_AT);
        let numbered: Vec<String> = (2..=11).map(|number| format!("?{number}")).collect();
        let values = numbered.join(", ");
        let assigned: Vec<String> = COLUMNS
            .iter()
            .enumerate()
            .map(|(index, column)| format!("{column} = ?{}", index + 2))
            .collect();
        let assigned = assigned.join(", ");
        let sql = |text: String| AssertSqlSafe(text).into_sql_str();
        Self {
            load: sql(format!(
                "SELECT {columns}, CASE WHEN revision = ?3 THEN NULL ELSE payload END FROM {name} \
                 WHERE session_key = ?1 AND {ends_at} > ?2"
            )),
            create: sql(format!(
                "INSERT INTO {name} (session_key, {columns}, payload) \
                 VALUES (?1, {values}, ?12) ON CONFLICT DO NOTHING RETURNING 1"
            )),
            make_way: sql(format!(
                "DELETE FROM {name} WHERE session_key = ?1 AND {ends_at} <= ?2 RETURNING 1"
            )),
            replace: sql(format!(
                "UPDATE {name} SET {assigned}, payload = ?12 \
                 WHERE session_key = ?1 AND {ends_at} > ?13 AND revision = ?14 RETURNING 1"
            )),
            rotate: sql(format!(
                "UPDATE {name} SET session_key = ?1, {assigned}, payload = ?12 \
                 WHERE session_key = ?15 AND {ends_at} > ?13 AND revision = ?14 RETURNING 1"
            )),
            touch: sql(format!(
                "UPDATE {name} AS session SET idle_deadline = \
                 max(idle_deadline, min(deadline, absolute_deadline)) \
                 FROM (SELECT unhex(value ->> 0) AS touched_key, value ->> 1 AS deadline \
                 FROM json_each(?1)) AS touch \
                 WHERE session.session_key = touched_key AND {ends_at} > ?2 RETURNING session_key"
            )),
            delete: sql(format!(
                "DELETE FROM {name} WHERE session_key = ?1 RETURNING ends_at > ?2"
            )),
            purge_expired: sql(format!(
                "DELETE FROM {name} WHERE rowid IN (SELECT rowid FROM {name} \
                 WHERE ends_at <= ?1 ORDER BY ends_at LIMIT ?2) RETURNING 1"
            )),
            list: sql(format!(
                "SELECT session_key, {columns}, payload FROM {name} \
                 WHERE subject = ?1 AND session_key > ?2 AND {ends_at} > ?3 \
                 ORDER BY session_key LIMIT ?4"
            )),
            options: options
                .disable_statement_logging()
                // Reads go on during a write, and see what was committed before they began.
                .journal_mode(SqliteJournalMode::Wal)
                // A log-out that was acknowledged holds after a power cut, too.
                .synchronous(SqliteSynchronous::Full)
                // SQLite itself waits longer and longer between two looks, so that one who writes
                // without a pause shuts another one out. The engine looks again at once.
                .busy_timeout(BUSY),
            table,
        }
    }

    pub(crate) fn migrations(table: &TableName) -> Vec<Migration> {
        migrations::of(MIGRATIONS, table, '"')
    }
}

/// How long SQLite waits for another one to be done with the file.
const BUSY: Duration = Duration::from_millis(10);

const MIGRATIONS: &[Template] = &[Template {
    version: 1,
    description: "sessions",
    sql: include_str!("../schema/sqlite/1_sessions.sql"),
}];

async fn rows(
    connection: &mut SqliteConnection,
    statement: &SqlStr,
    arguments: SqliteArguments,
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    sqlx::query_with(statement.clone(), arguments).fetch_all(connection).await
}

impl Dialect for Sqlite {
    type Connection = SqliteConnection;

    async fn connect(&self, access: Access) -> Result<SqliteConnection, Failure> {
        let connection = match access {
            Access::Write => SqliteConnection::connect_with(&self.options).await,
            Access::Read => {
                let options = self.options.clone().pragma("query_only", "on");
                SqliteConnection::connect_with(&options).await
            }
        };
        connection.map_err(Failure::unconnected)
    }

    /// Other processes on this machine would have to poll.
    fn backplane(_: &Arc<Shared<Self>>) -> Option<Arc<dyn Backplane>> {
        None
    }

    async fn migrate(&self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        let bookkeeping = self.table.quoted('"', "_migrations");
        // The driver takes no lock of its own for this.
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        migrations::run(&mut *transaction, &Self::migrations(&self.table), bookkeeping).await?;
        Ok(transaction.commit().await?)
    }

    async fn load(
        &self,
        connection: &mut SqliteConnection,
        key: &Key,
        known: Option<Revision>,
        now: Timestamp,
    ) -> Result<Loaded, Failure> {
        let mut arguments = SqliteArguments::default();
        add_key(&mut arguments, key)?;
        add(&mut arguments, now.as_millis())?;
        add(&mut arguments, known.map(row::number))?;
        let rows = rows(connection, &self.load, arguments).await?;
        Ok(rows.first().map_or(Ok(Loaded::Absent), row::loaded)?)
    }

    async fn create(
        &self,
        connection: &mut SqliteConnection,
        key: &Key,
        record: &Record,
    ) -> Result<Option<Revision>, Failure> {
        let mut arguments = SqliteArguments::default();
        add_key(&mut arguments, key)?;
        add_record(&mut arguments, record, FIRST)?;
        let rows = rows(connection, &self.create, arguments).await?;
        Ok((!rows.is_empty()).then_some(FIRST))
    }

    async fn make_way(
        &self,
        connection: &mut SqliteConnection,
        key: &Key,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let mut arguments = SqliteArguments::default();
        add_key(&mut arguments, key)?;
        add(&mut arguments, now.as_millis())?;
        rows(connection, &self.make_way, arguments).await?;
        Ok(())
    }

    async fn replace(
        &self,
        connection: &mut SqliteConnection,
        key: &Key,
        record: &Record,
        expected: Revision,
        now: Timestamp,
    ) -> Result<Option<Revision>, Failure> {
        let revision = expected.next();
        let mut arguments = SqliteArguments::default();
        add_key(&mut arguments, key)?;
        add_record(&mut arguments, record, revision)?;
        add(&mut arguments, now.as_millis())?;
        add(&mut arguments, row::number(expected))?;
        let rows = rows(connection, &self.replace, arguments).await?;
        Ok((!rows.is_empty()).then_some(revision))
    }

    async fn rotate(
        &self,
        connection: &mut SqliteConnection,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
        now: Timestamp,
    ) -> Result<Option<Revision>, Failure> {
        let revision = expected.next();
        let mut arguments = SqliteArguments::default();
        add_key(&mut arguments, to)?;
        add_record(&mut arguments, record, revision)?;
        add(&mut arguments, now.as_millis())?;
        add(&mut arguments, row::number(expected))?;
        add_key(&mut arguments, from)?;
        let rows = rows(connection, &self.rotate, arguments).await?;
        Ok((!rows.is_empty()).then_some(revision))
    }

    async fn touch(
        &self,
        connection: &mut SqliteConnection,
        touches: &[Touch],
        now: Timestamp,
    ) -> Result<Alive, Failure> {
        let mut arguments = SqliteArguments::default();
        add(&mut arguments, row::touches_as_json(touches))?;
        add(&mut arguments, now.as_millis())?;
        let rows = rows(connection, &self.touch, arguments).await?;
        if rows.len() == touches.len() {
            return Ok(Alive::All);
        }
        let keys: Result<Vec<Key>, Error> = rows.iter().map(|row| row::read_key(row, 0)).collect();
        Ok(Alive::These(keys?))
    }

    async fn delete(
        &self,
        connection: &mut SqliteConnection,
        key: &Key,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let mut arguments = SqliteArguments::default();
        add_key(&mut arguments, key)?;
        add(&mut arguments, now.as_millis())?;
        let rows = rows(connection, &self.delete, arguments).await?;
        let was_alive = rows.first().map_or(Ok(0), |row| row::column::<_, i64>(row, 0))?;
        Ok(was_alive != 0)
    }

    async fn purge_expired(
        &self,
        connection: &mut SqliteConnection,
        limit: usize,
        now: Timestamp,
    ) -> Result<usize, Failure> {
        let mut arguments = SqliteArguments::default();
        add(&mut arguments, now.as_millis())?;
        add(&mut arguments, row::limit(limit))?;
        let rows = rows(connection, &self.purge_expired, arguments).await?;
        Ok(rows.len())
    }

    async fn list(
        &self,
        connection: &mut SqliteConnection,
        subject: &Subject,
        after: Option<&Key>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(Key, Record)>, Failure> {
        let mut arguments = SqliteArguments::default();
        add(&mut arguments, subject.as_str())?;
        add_beginning(&mut arguments, after)?;
        add(&mut arguments, now.as_millis())?;
        add(&mut arguments, row::limit(limit))?;
        let rows = rows(connection, &self.list, arguments).await?;
        Ok(row::listed(&rows)?)
    }
}

#[cfg(test)]
mod plans;
