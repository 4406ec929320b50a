//! PostgreSQL.

mod announcement;
mod backplane;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use session_core::{
    Backplane, Change, Error, Key, Loaded, Record, Revision, Subject, Timestamp, Touch,
};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, SqlSafeStr as _, SqlStr};

use self::backplane::{Announcements, PostgresBackplane};
use self::steps::Unprepared;
use crate::arguments::{add, add_beginning, add_key, add_record};
use crate::dialect::{Access, Alive, Dialect};
use crate::engine::Shared;
use crate::error::Failure;
use crate::migrations::{self, Migration, Template};
use crate::row::{self, COLUMNS, ENDS_AT, FIRST, Listed};
use crate::table::TableName;

/// A table in a PostgreSQL database, and the statements about it.
pub(crate) struct Postgres {
    options: PgConnectOptions,
    through_pooler: bool,
    /// Begins a transaction through a pooler.
    begin: SqlStr,
    /// In ms, as the server takes it.
    statement_timeout: String,
    table: TableName,
    /// Where changes are announced, if they are.
    announcements: Option<Announcements>,
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

/// How a store on PostgreSQL is set up.
pub(crate) struct Settings {
    pub(crate) options: PgConnectOptions,
    pub(crate) table: TableName,
    pub(crate) timeout: Duration,
    /// Whether there is a pooler in between that lends connections for one transaction.
    pub(crate) through_pooler: bool,
    pub(crate) announces: bool,
    /// Where to listen, if that is somewhere else.
    pub(crate) listen: Option<PgConnectOptions>,
}

impl Postgres {
    pub(crate) fn new(settings: Settings) -> Self {
        let Settings { options, table, timeout, through_pooler, announces, listen } = settings;
        let name = table.quoted('"', "");
        let (columns, ends_at) = (COLUMNS.join(", "), ENDS_AT);
        let numbered: Vec<String> = (2..=11).map(|number| format!("${number}")).collect();
        let values = numbered.join(", ");
        let assigned: Vec<String> = COLUMNS
            .iter()
            .enumerate()
            .map(|(index, column)| format!("{column} = ${}", index + 2))
            .collect();
        let assigned = assigned.join(", ");
        // In the same transaction: it is sent if, and when, that is committed.
        let announce = |how: &str| if announces { how.to_owned() } else { "1".to_owned() };
        let (once, twice) =
            (announce("pg_notify($15, $16)"), announce("pg_notify($16, $17), pg_notify($16, $18)"));
        let created = announce("pg_notify($13, $14)");
        let deleted = announce("pg_notify($3, $4)");
        let sql = |text: String| AssertSqlSafe(text).into_sql_str();
        Self {
            load: sql(format!(
                "SELECT {columns}, CASE WHEN revision = $3 THEN NULL ELSE payload END FROM {name} \
                 WHERE session_key = $1 AND {ends_at} > $2"
            )),
            create: sql(format!(
                "WITH created AS (INSERT INTO {name} (session_key, {columns}, payload) \
                 VALUES ($1, {values}, $12) ON CONFLICT DO NOTHING RETURNING 1) \
                 SELECT {created} FROM created"
            )),
            make_way: sql(format!(
                "DELETE FROM {name} WHERE session_key = $1 AND {ends_at} <= $2 RETURNING 1"
            )),
            replace: sql(format!(
                "WITH replaced AS (UPDATE {name} SET {assigned}, payload = $12 \
                 WHERE session_key = $1 AND {ends_at} > $13 AND revision = $14 RETURNING 1) \
                 SELECT {once} FROM replaced"
            )),
            rotate: sql(format!(
                "WITH rotated AS (UPDATE {name} SET session_key = $1, {assigned}, payload = $12 \
                 WHERE session_key = $15 AND {ends_at} > $13 AND revision = $14 RETURNING 1) \
                 SELECT {twice} FROM rotated"
            )),
            // Locked in the order of keys, so that two batches cannot wait for each other.
            touch: sql(format!(
                "WITH touched AS (SELECT session_key, deadline \
                 FROM unnest($1::BYTEA[], $2::BIGINT[]) AS touch (touched_key, deadline) \
                 JOIN {name} AS session ON session_key = touched_key WHERE {ends_at} > $3 \
                 ORDER BY session_key FOR NO KEY UPDATE OF session), \
                 moved AS (UPDATE {name} AS session \
                 SET idle_deadline = LEAST(deadline, absolute_deadline) FROM touched \
                 WHERE session.session_key = touched.session_key \
                 AND idle_deadline < LEAST(deadline, absolute_deadline)) \
                 SELECT session_key FROM touched"
            )),
            delete: sql(format!(
                "WITH deleted AS (DELETE FROM {name} WHERE session_key = $1 RETURNING ends_at) \
                 SELECT EXISTS (SELECT FROM deleted WHERE ends_at > $2), {deleted}"
            )),
            // An array, because of what is joined the planner may scan the whole table.
            purge_expired: sql(format!(
                "DELETE FROM {name} WHERE {ends_at} <= $1 AND session_key = ANY (ARRAY (\
                 SELECT session_key FROM {name} WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2 \
                 FOR UPDATE SKIP LOCKED)) RETURNING 1"
            )),
            list: sql(format!(
                "SELECT session_key, {columns}, payload FROM {name} \
                 WHERE subject = $1 AND session_key > $2 AND {ends_at} > $3 \
                 ORDER BY session_key LIMIT $4"
            )),
            announcements: announces.then(|| {
                let itself = (!through_pooler).then(|| options.clone());
                let listening = listen.or(itself).map(|options| configured(options, false));
                Announcements::new(&table, listening)
            }),
            options: configured(options, through_pooler),
            through_pooler,
            // A session of the server is not ours to set up, and keeps nothing of this. A node that
            // hangs before its `COMMIT`, while the pooler holds the line, keeps no locks.
            begin: sql(format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {0}; \
                 SET LOCAL idle_in_transaction_session_timeout = {0}",
                millis(timeout)
            )),
            statement_timeout: millis(timeout).to_string(),
            table,
        }
    }

    pub(crate) fn migrations(table: &TableName) -> Vec<Migration> {
        migrations::of(MIGRATIONS, table, '"')
    }

    /// Executes a statement, and returns when all of its rows are here.
    async fn rows(
        &self,
        connection: &mut PgConnection,
        statement: &SqlStr,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        if !self.through_pooler {
            return sqlx::query_with(statement.clone(), arguments).fetch_all(connection).await;
        }
        // A pooler keeps to one server for the length of a transaction alone: long enough for a
        // statement that has no name.
        let mut transaction = connection.begin_with(self.begin.clone()).await?;
        let query = sqlx::query_with(statement.clone(), arguments).persistent(false);
        match query.fetch_all(&mut *transaction).await {
            Ok(rows) => {
                transaction.commit().await?;
                Ok(rows)
            }
            Err(error) => {
                // Now, and not with the next statement: until then the pooler could not lend the
                // server's connection to anybody else.
                transaction.rollback().await?;
                Err(error)
            }
        }
    }

    fn announce(&self, arguments: &mut PgArguments, messages: &[String]) -> Result<(), Failure> {
        let Some(announcements) = &self.announcements else { return Ok(()) };
        add(arguments, announcements.channel.as_str())?;
        messages.iter().try_for_each(|message| add(arguments, message.as_str()))
    }
}

const MIGRATIONS: &[Template] = &[Template {
    version: 1,
    description: "sessions",
    sql: include_str!("../schema/postgres/1_sessions.sql"),
}];

fn configured(options: PgConnectOptions, through_pooler: bool) -> PgConnectOptions {
    use sqlx::ConnectOptions as _;
    // There are no such numbers here, and poolers know of no such parameter.
    let options = options.extra_float_digits(None).disable_statement_logging();
    if through_pooler { options.statement_cache_capacity(0) } else { options }
}

fn millis(timeout: Duration) -> u128 {
    timeout.as_millis().max(1)
}

impl Dialect for Postgres {
    type Connection = PgConnection;

    async fn connect(&self, _: Access) -> Result<PgConnection, Failure> {
        let connection = PgConnection::connect_with(&self.options).await;
        let mut connection = connection.map_err(Failure::unconnected)?;
        // Whatever nobody waits for any more is given up, and holds no lock. Through a pooler it would
        // be somebody else's connection that is set up.
        let settings = match self.through_pooler {
            true => "SELECT current_setting('transaction_read_only') = 'on', $1",
            false => {
                "SELECT current_setting('transaction_read_only') = 'on', \
                 set_config('statement_timeout', $1, false), \
                 set_config('default_transaction_isolation', 'read committed', false)"
            }
        };
        let mut arguments = PgArguments::default();
        add(&mut arguments, self.statement_timeout.as_str())?;
        let settings = SqlStr::from_static(settings);
        let rows = self.rows(&mut connection, &settings, arguments).await;
        let rows = rows.map_err(Failure::unconnected)?;
        // A standby answers as well, with what it has got so far.
        let is_read_only = rows.first().map_or(Ok(false), |row| row::column(row, 0))?;
        if is_read_only { Err(Failure::read_only("25006")) } else { Ok(connection) }
    }

    fn backplane(shared: &Arc<Shared<Self>>) -> Option<Arc<dyn Backplane>> {
        Some(Arc::new(PostgresBackplane::of(shared)?))
    }

    async fn migrate(&self, connection: &mut PgConnection) -> Result<(), Failure> {
        // It may take longer than a session's statement. All in one transaction: what is refused
        // leaves nothing behind, and a pooler may be in between.
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0; \
                     SET LOCAL idle_in_transaction_session_timeout = '30s'";
        let mut transaction = connection.begin_with(begin).await?;
        let lock =
            sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('session-kit ' || $1, 0))");
        let lock = lock.bind(self.table.to_string()).persistent(false);
        lock.execute(&mut *transaction).await?;
        let bookkeeping = self.table.quoted('"', "_migrations");
        let mut steps = Unprepared(&mut transaction);
        migrations::run(&mut steps, &Self::migrations(&self.table), bookkeeping).await?;
        Ok(transaction.commit().await?)
    }

    async fn load(
        &self,
        connection: &mut PgConnection,
        key: &Key,
        known: Option<Revision>,
        now: Timestamp,
    ) -> Result<Loaded, Failure> {
        let mut arguments = PgArguments::default();
        add_key(&mut arguments, key)?;
        add(&mut arguments, now.as_millis())?;
        add(&mut arguments, known.map(row::number))?;
        let rows = self.rows(connection, &self.load, arguments).await?;
        let Some(row) = rows.first() else { return Ok(Loaded::Absent) };
        Ok(row::loaded(row)?)
    }

    async fn create(
        &self,
        connection: &mut PgConnection,
        key: &Key,
        record: &Record,
    ) -> Result<Option<Revision>, Failure> {
        let mut arguments = PgArguments::default();
        add_key(&mut arguments, key)?;
        add_record(&mut arguments, record, FIRST)?;
        self.announce(&mut arguments, &[announcement::encode(key, Change::Revision(FIRST))])?;
        let rows = self.rows(connection, &self.create, arguments).await?;
        Ok((!rows.is_empty()).then_some(FIRST))
    }

    async fn make_way(
        &self,
        connection: &mut PgConnection,
        key: &Key,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let mut arguments = PgArguments::default();
        add_key(&mut arguments, key)?;
        add(&mut arguments, now.as_millis())?;
        self.rows(connection, &self.make_way, arguments).await?;
        Ok(())
    }

    async fn replace(
        &self,
        connection: &mut PgConnection,
        key: &Key,
        record: &Record,
        expected: Revision,
        now: Timestamp,
    ) -> Result<Option<Revision>, Failure> {
        let revision = expected.next();
        let mut arguments = PgArguments::default();
        add_key(&mut arguments, key)?;
        add_record(&mut arguments, record, revision)?;
        add(&mut arguments, now.as_millis())?;
        add(&mut arguments, row::number(expected))?;
        self.announce(&mut arguments, &[announcement::encode(key, Change::Revision(revision))])?;
        let rows = self.rows(connection, &self.replace, arguments).await?;
        Ok((!rows.is_empty()).then_some(revision))
    }

    async fn rotate(
        &self,
        connection: &mut PgConnection,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
        now: Timestamp,
    ) -> Result<Option<Revision>, Failure> {
        let revision = expected.next();
        let mut arguments = PgArguments::default();
        add_key(&mut arguments, to)?;
        add_record(&mut arguments, record, revision)?;
        add(&mut arguments, now.as_millis())?;
        add(&mut arguments, row::number(expected))?;
        add_key(&mut arguments, from)?;
        let ended = announcement::encode(from, Change::Removed);
        let begun = announcement::encode(to, Change::Revision(revision));
        self.announce(&mut arguments, &[ended, begun])?;
        let rows = self.rows(connection, &self.rotate, arguments).await?;
        Ok((!rows.is_empty()).then_some(revision))
    }

    async fn touch(
        &self,
        connection: &mut PgConnection,
        touches: &[Touch],
        now: Timestamp,
    ) -> Result<Alive, Failure> {
        let keys: Vec<[u8; row::KEY]> =
            touches.iter().map(|touch| row::key_bytes(&touch.key)).collect();
        let keys: Vec<&[u8]> = keys.iter().map(<[u8; row::KEY]>::as_slice).collect();
        let deadlines: Vec<i64> =
            touches.iter().map(|touch| touch.idle_deadline.as_millis()).collect();
        let mut arguments = PgArguments::default();
        add(&mut arguments, keys)?;
        add(&mut arguments, deadlines)?;
        add(&mut arguments, now.as_millis())?;
        let rows = self.rows(connection, &self.touch, arguments).await?;
        if rows.len() == touches.len() {
            return Ok(Alive::All);
        }
        let keys: Result<Vec<Key>, Error> = rows.iter().map(|row| row::read_key(row, 0)).collect();
        Ok(Alive::These(keys?))
    }

    async fn delete(
        &self,
        connection: &mut PgConnection,
        key: &Key,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let mut arguments = PgArguments::default();
        add_key(&mut arguments, key)?;
        add(&mut arguments, now.as_millis())?;
        self.announce(&mut arguments, &[announcement::encode(key, Change::Removed)])?;
        let rows = self.rows(connection, &self.delete, arguments).await?;
        rows.first().map_or(Ok(false), |row| Ok(row::column(row, 0)?))
    }

    async fn purge_expired(
        &self,
        connection: &mut PgConnection,
        limit: usize,
        now: Timestamp,
    ) -> Result<usize, Failure> {
        let mut arguments = PgArguments::default();
        add(&mut arguments, now.as_millis())?;
        add(&mut arguments, row::limit(limit))?;
        let rows = self.rows(connection, &self.purge_expired, arguments).await?;
        Ok(rows.len())
    }

    async fn list(
        &self,
        connection: &mut PgConnection,
        subject: &Subject,
        after: Option<&Key>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Listed, Failure> {
        let mut arguments = PgArguments::default();
        add(&mut arguments, subject.as_str())?;
        add_beginning(&mut arguments, after)?;
        add(&mut arguments, now.as_millis())?;
        add(&mut arguments, row::limit(limit))?;
        let rows = self.rows(connection, &self.list, arguments).await?;
        Ok(row::listed(&rows)?)
    }
}
