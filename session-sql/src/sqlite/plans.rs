//! How SQLite goes about the statements: it logs nothing, so it is asked. What the other databases go by is
//! in `tests/sql/plans.rs`.

use session_core::{Timestamp, Touch};
use session_testkit::sample;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{AssertSqlSafe, SqlStr};

use super::Sqlite;
use crate::arguments::{add, add_beginning, add_key, add_record};
use crate::dialect::{Access, Dialect as _};
use crate::row::{self, FIRST};
use crate::table::TableName;

/// Sessions in the table. They end one after the other, a millisecond apart.
const ROWS: i64 = 100_000;

#[tokio::test]
async fn what_is_named_is_found_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("plans.db").display());
    let dialect = Sqlite::new(url.parse().unwrap(), TableName::parse("plans").unwrap());
    let mut connection = dialect.connect(Access::Write).await.unwrap();
    dialect.migrate(&mut connection).await.unwrap();
    let fill = format!(
        "INSERT INTO plans (session_key, revision, created_at, idle_deadline, absolute_deadline, \
         subject, payload) \
         WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted LIMIT {ROWS}) \
         SELECT randomblob(34), 1, 0, n, {ROWS}, 'user-' || (n / 5), zeroblob(300) FROM counted"
    );
    for then in ["SELECT 1", &fill, "ANALYZE"] {
        sqlx::raw_sql(AssertSqlSafe(then)).execute(&mut connection).await.unwrap();
        // None has ended, half of them have, all have.
        for now in [0, ROWS / 2, 2 * ROWS] {
            for (statement, arguments, expected) in statements(&dialect, now) {
                let plan = plan(&mut connection, statement, arguments).await;
                assert_eq!(plan, expected, "at {now}, after {then}: {}", statement.as_str());
            }
        }
    }
}

/// The statements, with what they may be given then, and what is to be done for each.
fn statements(dialect: &Sqlite, now: i64) -> Vec<(&SqlStr, SqliteArguments, &'static str)> {
    // A statement that is added is looked at as well.
    let Sqlite {
        options: _,
        table: _,
        load,
        create,
        make_way,
        replace,
        rotate,
        touch,
        delete,
        purge_expired,
        list,
    } = dialect;
    let key = sample::key();
    let touches = [Touch { key, idle_deadline: Timestamp::from_millis(now) }; 512];
    let and_now = |mut arguments: SqliteArguments| {
        add(&mut arguments, now).unwrap();
        arguments
    };
    let mut of_key = SqliteArguments::default();
    add_key(&mut of_key, &key).unwrap();
    let mut of_record = of_key.clone();
    add_record(&mut of_record, &sample::record(Timestamp::from_millis(now)), FIRST).unwrap();
    let mut of_rotation = and_now(of_record.clone());
    add(&mut of_rotation, row::number(FIRST)).unwrap();
    add_key(&mut of_rotation, &key).unwrap();
    let mut of_touches = SqliteArguments::default();
    add(&mut of_touches, row::touches_as_json(&touches)).unwrap();
    let mut of_purge = and_now(SqliteArguments::default());
    add(&mut of_purge, row::limit(1_000)).unwrap();
    let mut of_list = SqliteArguments::default();
    add(&mut of_list, "user-7").unwrap();
    add_beginning(&mut of_list, None).unwrap();
    let mut of_list = and_now(of_list);
    add(&mut of_list, row::limit(100)).unwrap();
    vec![
        (load, and_now(of_key.clone()), BY_KEY),
        (create, of_record.clone(), ""),
        (make_way, and_now(of_key.clone()), BY_KEY),
        (replace, of_rotation.clone(), BY_KEY),
        (rotate, of_rotation, BY_KEY),
        (touch, and_now(of_touches), BY_KEYS),
        (delete, and_now(of_key), BY_KEY),
        (purge_expired, of_purge, BY_END),
        (list, of_list, BY_SUBJECT),
    ]
}

const BY_KEY: &str = "SEARCH plans USING INDEX sqlite_autoindex_plans_1 (session_key=?)";
const BY_KEYS: &str = "SCAN json_each VIRTUAL TABLE INDEX 1:; \
                       SEARCH session USING INDEX sqlite_autoindex_plans_1 (session_key=?)";
const BY_END: &str = "SEARCH plans USING INTEGER PRIMARY KEY (rowid=?); LIST SUBQUERY 1; \
                      SEARCH plans USING INDEX plans_ends_at (ends_at<?); CREATE BLOOM FILTER";
const BY_SUBJECT: &str = "SEARCH plans USING INDEX plans_subject (subject=? AND session_key>?)";

async fn plan(
    connection: &mut SqliteConnection,
    statement: &SqlStr,
    arguments: SqliteArguments,
) -> String {
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", statement.as_str()));
    let steps: Vec<(i64, i64, i64, String)> =
        sqlx::query_as_with(explain, arguments).fetch_all(connection).await.unwrap();
    let steps: Vec<String> = steps.into_iter().map(|(_, _, _, detail)| detail).collect();
    steps.join("; ")
}
