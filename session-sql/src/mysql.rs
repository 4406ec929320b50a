//! MySQL and MariaDB.

use std::sync::Arc;

use session_core::{
    Backplane, Error, ErrorKind, Key, Loaded, Record, Revision, Subject, Timestamp, Touch,
};
use sqlx::mysql::{
    MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlQueryResult, MySqlRow,
};
use sqlx::{AssertSqlSafe, Connection as _, SqlSafeStr as _, SqlStr};

use crate::arguments::{add, add_beginning, add_key, add_record};
use crate::dialect::{Access, Alive, Dialect};
use crate::engine::Shared;
use crate::error::Failure;
use crate::migrations::{self, Migration, Template};
use crate::row::{self, COLUMNS, ENDS_AT, FIRST, Listed};
use crate::table::TableName;

/// A table in a MySQL or MariaDB database, and the statements about it.
pub(crate) struct MySql {
    options: MySqlConnectOptions,
    table: TableName,
    load: SqlStr,
    create: SqlStr,
    make_way: SqlStr,
    replace: SqlStr,
    rotate: SqlStr,
    touch: SqlStr,
    alive: SqlStr,
    delete_alive: SqlStr,
    delete: SqlStr,
    purge_expired: SqlStr,
    list: SqlStr,
}

impl MySql {
    pub(crate) fn new(options: MySqlConnectOptions, table: TableName) -> Self {
        use sqlx::ConnectOptions as _;
        let name = table.quoted('`', "");
        let (columns, ends_at) = (COLUMNS.join(", "), ENDS_AT);
        // The column holds bytes, and says what they are in here. What is no UTF-8 would come as
        // somebody else, or as nobody; this is no subject.
        let text = "CONVERT(subject USING utf8mb4)";
        let is_text = format!("subject IS NULL OR CAST({text} AS BINARY) = subject");
        let selected = columns.replace("subject", &format!("IF({is_text}, {text}, '')"));
        let assigned: Vec<String> = COLUMNS.iter().map(|column| format!("{column} = ?")).collect();
        let assigned = assigned.join(", ");
        let values = "?, ".repeat(COLUMNS.len());
        // Joined in this order, so that rows are locked in the order of keys: two batches cannot
        // wait for each other.
        let touched = format!(
            "JSON_TABLE(?, '$[*]' COLUMNS (touched_key CHAR(68) PATH '$[0]', \
             deadline BIGINT PATH '$[1]')) AS touch \
             STRAIGHT_JOIN {name} AS session ON session.session_key = UNHEX(touched_key)"
        );
        let sql = |text: String| AssertSqlSafe(text).into_sql_str();
        Self {
            load: sql(format!(
                "SELECT {selected}, CASE WHEN revision = ? THEN NULL ELSE payload END FROM {name} \
                 WHERE session_key = ? AND {ends_at} > ?"
            )),
            create: sql(format!(
                "INSERT INTO {name} ({columns}, payload, session_key) VALUES ({values}?, ?)"
            )),
            make_way: sql(format!("DELETE FROM {name} WHERE session_key = ? AND {ends_at} <= ?")),
            replace: sql(format!(
                "UPDATE {name} SET {assigned}, payload = ? \
                 WHERE session_key = ? AND {ends_at} > ? AND revision = ?"
            )),
            rotate: sql(format!(
                "UPDATE {name} SET {assigned}, payload = ?, session_key = ? \
                 WHERE session_key = ? AND {ends_at} > ? AND revision = ?"
            )),
            touch: sql(format!(
                "UPDATE {touched} SET idle_deadline = \
                 GREATEST(idle_deadline, LEAST(deadline, absolute_deadline)) WHERE {ends_at} > ?"
            )),
            alive: sql(format!("SELECT session_key FROM {touched} WHERE {ends_at} > ?")),
            delete_alive: sql(format!(
                "DELETE FROM {name} WHERE session_key = ? AND {ends_at} > ?"
            )),
            delete: sql(format!("DELETE FROM {name} WHERE session_key = ?")),
            purge_expired: sql(format!(
                "DELETE session FROM (SELECT session_key FROM {name} \
                 WHERE ends_at <= ? ORDER BY ends_at LIMIT ? FOR UPDATE SKIP LOCKED) AS expired \
                 STRAIGHT_JOIN {name} AS session ON session.session_key = expired.session_key \
                 WHERE {ends_at} <= ?"
            )),
            list: sql(format!(
                "SELECT session_key, {selected}, payload FROM {name} \
                 WHERE subject = ? AND session_key > ? AND {ends_at} > ? \
                 ORDER BY session_key LIMIT ?"
            )),
            // In others not every subject can be said, and two may become one.
            options: options
                .charset("utf8mb4")
                .collation("utf8mb4_bin")
                .disable_statement_logging(),
            table,
        }
    }

    pub(crate) fn migrations(table: &TableName) -> Vec<Migration> {
        migrations::of(MIGRATIONS, table, '`')
    }

    /// Fails if the table is there and was not made by migrations. Nothing takes those back here,
    /// and a step that is refused would count as one that has stopped half way.
    async fn refuse_occupied(&self, connection: &mut MySqlConnection) -> Result<(), Failure> {
        let name = self.table.name();
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT CONVERT(table_name USING utf8mb4) FROM information_schema.tables \
             WHERE table_schema = COALESCE(?, DATABASE()) AND table_name IN (?, ?)",
        )
        .bind(self.table.schema())
        .bind(name)
        .bind(format!("{name}_migrations"))
        .fetch_all(connection)
        .await?;
        match &*tables {
            [table] if table == name => {
                let error = Error::new(ErrorKind::Misconfigured, migrations::OCCUPIED);
                Err(Failure::refused(error.with("migration", 1)))
            }
            _ => Ok(()),
        }
    }
}

/// How long to wait for another node that is about the tables, in s.
const LOCK_WAIT: i64 = 30;

const MIGRATIONS: &[Template] = &[Template {
    version: 1,
    description: "sessions",
    sql: include_str!("../schema/mysql/1_sessions.sql"),
}];

async fn rows(
    connection: &mut MySqlConnection,
    statement: &SqlStr,
    arguments: MySqlArguments,
) -> Result<Vec<MySqlRow>, sqlx::Error> {
    sqlx::query_with(statement.clone(), arguments).fetch_all(connection).await
}

/// How many rows were found, whether or not that changed anything in them.
async fn found(
    connection: &mut MySqlConnection,
    statement: &SqlStr,
    arguments: MySqlArguments,
) -> Result<u64, sqlx::Error> {
    let executed = sqlx::query_with(statement.clone(), arguments).execute(connection).await;
    executed.map(|result: MySqlQueryResult| result.rows_affected())
}

impl Dialect for MySql {
    type Connection = MySqlConnection;

    async fn connect(&self, _: Access) -> Result<MySqlConnection, Failure> {
        let connection = MySqlConnection::connect_with(&self.options).await;
        let mut connection = connection.map_err(Failure::unconnected)?;
        // At the default level gaps between rows are locked as well, and creates wait for purges.
        // A statement that waits for a table's lock does not notice that its connection was closed.
        // What is too long for a column is refused, and what is acknowledged is committed.
        let settings = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
                        SET SESSION innodb_lock_wait_timeout = 1; \
                        SET SESSION lock_wait_timeout = 1; \
                        SET SESSION autocommit = 1; \
                        SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'";
        let set = sqlx::raw_sql(settings).execute(&mut connection).await;
        set.map_err(Failure::unconnected)?;
        // A replica answers as well, with what it has got so far. The setting is a number here, and a
        // word there; some clouds' replicas have the other one.
        let read_only = "SELECT @@global.read_only NOT IN ('0', 'OFF') \
                         OR @@global.innodb_read_only NOT IN ('0', 'OFF')";
        let read_only = sqlx::query_scalar(read_only);
        let read_only: i64 =
            read_only.fetch_one(&mut connection).await.map_err(Failure::unconnected)?;
        if read_only != 0 {
            return Err(Failure::read_only("1290"));
        }
        Ok(connection)
    }

    /// `NOTIFY` has no counterpart here.
    fn backplane(_: &Arc<Shared<Self>>) -> Option<Arc<dyn Backplane>> {
        None
    }

    async fn migrate(&self, connection: &mut MySqlConnection) -> Result<(), Failure> {
        // The one that sqlx takes is none on MariaDB, where no wait is without an end. Names are
        // 64 characters at most.
        let name = format!("session-kit {:.50}", self.table.name());
        let lock = sqlx::query_scalar("SELECT GET_LOCK(?, ?)").bind(&name).bind(LOCK_WAIT);
        let taken: Option<i64> = lock.fetch_one(&mut *connection).await?;
        if taken != Some(1) {
            let message = "another node is still bringing the tables up to date";
            return Err(Failure::refused(Error::new(ErrorKind::Timeout, message)));
        }
        // A step that is given up half way has to be mended by hand.
        let patience = "SET SESSION lock_wait_timeout = 60";
        sqlx::raw_sql(patience).execute(&mut *connection).await?;
        self.refuse_occupied(connection).await?;
        let bookkeeping = self.table.quoted('`', "_migrations");
        migrations::run(connection, &Self::migrations(&self.table), bookkeeping).await
    }

    async fn load(
        &self,
        connection: &mut MySqlConnection,
        key: &Key,
        known: Option<Revision>,
        now: Timestamp,
    ) -> Result<Loaded, Failure> {
        let mut arguments = MySqlArguments::default();
        add(&mut arguments, known.map(row::number))?;
        add_key(&mut arguments, key)?;
        add(&mut arguments, now.as_millis())?;
        let rows = rows(connection, &self.load, arguments).await?;
        Ok(rows.first().map_or(Ok(Loaded::Absent), row::loaded)?)
    }

    async fn create(
        &self,
        connection: &mut MySqlConnection,
        key: &Key,
        record: &Record,
    ) -> Result<Option<Revision>, Failure> {
        let mut arguments = MySqlArguments::default();
        add_record(&mut arguments, record, FIRST)?;
        add_key(&mut arguments, key)?;
        match found(connection, &self.create, arguments).await {
            Ok(_) => Ok(Some(FIRST)),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn make_way(
        &self,
        connection: &mut MySqlConnection,
        key: &Key,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let mut arguments = MySqlArguments::default();
        add_key(&mut arguments, key)?;
        add(&mut arguments, now.as_millis())?;
        found(connection, &self.make_way, arguments).await?;
        Ok(())
    }

    async fn replace(
        &self,
        connection: &mut MySqlConnection,
        key: &Key,
        record: &Record,
        expected: Revision,
        now: Timestamp,
    ) -> Result<Option<Revision>, Failure> {
        let revision = expected.next();
        let mut arguments = MySqlArguments::default();
        add_record(&mut arguments, record, revision)?;
        add_key(&mut arguments, key)?;
        add(&mut arguments, now.as_millis())?;
        add(&mut arguments, row::number(expected))?;
        let replaced = found(connection, &self.replace, arguments).await?;
        Ok((replaced > 0).then_some(revision))
    }

    async fn rotate(
        &self,
        connection: &mut MySqlConnection,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
        now: Timestamp,
    ) -> Result<Option<Revision>, Failure> {
        let revision = expected.next();
        let mut arguments = MySqlArguments::default();
        add_record(&mut arguments, record, revision)?;
        add_key(&mut arguments, to)?;
        add_key(&mut arguments, from)?;
        add(&mut arguments, now.as_millis())?;
        add(&mut arguments, row::number(expected))?;
        let rotated = found(connection, &self.rotate, arguments).await?;
        Ok((rotated > 0).then_some(revision))
    }

    async fn touch(
        &self,
        connection: &mut MySqlConnection,
        touches: &[Touch],
        now: Timestamp,
    ) -> Result<Alive, Failure> {
        let pairs = row::touches_as_json(touches);
        let mut arguments = MySqlArguments::default();
        add(&mut arguments, pairs.as_str())?;
        add(&mut arguments, now.as_millis())?;
        if found(connection, &self.touch, arguments).await? == touches.len() as u64 {
            return Ok(Alive::All);
        }
        // An update does not tell which rows it has found. Those that are alive now were so then:
        // nobody brings a key back.
        let mut arguments = MySqlArguments::default();
        add(&mut arguments, pairs.as_str())?;
        add(&mut arguments, now.as_millis())?;
        let rows = rows(connection, &self.alive, arguments).await?;
        let keys: Result<Vec<Key>, Error> = rows.iter().map(|row| row::read_key(row, 0)).collect();
        Ok(Alive::These(keys?))
    }

    async fn delete(
        &self,
        connection: &mut MySqlConnection,
        key: &Key,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let mut arguments = MySqlArguments::default();
        add_key(&mut arguments, key)?;
        add(&mut arguments, now.as_millis())?;
        if found(connection, &self.delete_alive, arguments).await? > 0 {
            return Ok(true);
        }
        // It may be alive by another node's clock.
        let mut arguments = MySqlArguments::default();
        add_key(&mut arguments, key)?;
        found(connection, &self.delete, arguments).await?;
        Ok(false)
    }

    async fn purge_expired(
        &self,
        connection: &mut MySqlConnection,
        limit: usize,
        now: Timestamp,
    ) -> Result<usize, Failure> {
        let mut arguments = MySqlArguments::default();
        add(&mut arguments, now.as_millis())?;
        add(&mut arguments, row::limit(limit))?;
        add(&mut arguments, now.as_millis())?;
        let purged = found(connection, &self.purge_expired, arguments).await?;
        Ok(usize::try_from(purged).unwrap_or(usize::MAX))
    }

    async fn list(
        &self,
        connection: &mut MySqlConnection,
        subject: &Subject,
        after: Option<&Key>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Listed, Failure> {
        let mut arguments = MySqlArguments::default();
        add(&mut arguments, subject.as_str())?;
        add_beginning(&mut arguments, after)?;
        add(&mut arguments, now.as_millis())?;
        add(&mut arguments, row::limit(limit))?;
        let rows = rows(connection, &self.list, arguments).await?;
        Ok(row::listed(&rows)?)
    }
}
