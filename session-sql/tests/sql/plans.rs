//! How the servers go about the statements, as they log it themselves: what is named is found by an index,
//! and hardly anything else is read, whatever the statistics say of the table.
//!
//! SQLite logs nothing; its plans are looked at in `src/sqlite/plans.rs`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use session_core::{
    Created, Key, Load, Record, Replaced, Revision, Store as _, Subject, Timestamp, Touch,
};
use session_sql::SqlStore;
use session_testkit::servers::{MariaDb, Postgres};
use session_testkit::{ManualClock, sample};

use crate::fixture;

const TABLE: &str = "plans";

/// Sessions in the table: so many that reading all of them would be found out. `PLAN_ROWS` in the
/// environment is another number.
const ROWS: u64 = 100_000;

/// They end one after the other, a millisecond apart, from here on.
const FIRST_END: Timestamp = Timestamp::from_millis(1_780_000_000_000);

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// As many as the contract has a caller touch at once.
const TOUCHES: usize = 512;

#[tokio::test]
async fn postgres_finds_by_an_index_what_is_named() {
    let server = Postgres::builder()
        .config("shared_preload_libraries", "auto_explain")
        .config("auto_explain.log_analyze", "on")
        .config("auto_explain.log_timing", "off")
        // There are no statistics until there are to be some.
        .config("autovacuum", "off")
        .config("shared_buffers", "128MB")
        .config("max_wal_size", "4GB")
        .start()
        .await;
    let url = server.url();
    let kept = keep(&url).await;
    let digest = "sha256(n::text::bytea)";
    let fill = format!(
        "INSERT INTO {TABLE} (session_key, revision, created_at, idle_deadline, \
         absolute_deadline, subject, payload) \
         SELECT substring({digest} || {digest} FOR 34), 1, 0, {} + n, {}, 'user-' || n / 5, \
         repeat('x', 300)::bytea FROM generate_series(1, {}) AS n ORDER BY 1",
        FIRST_END.as_millis(),
        FIRST_END.plus(DAY).as_millis(),
        rows(),
    );
    server.query(&fill).await;
    server.query("ALTER ROLE app SET auto_explain.log_min_duration = 0").await;
    let mut server = PostgresLog { server, seen: 0 };
    for statistics in ["SELECT", "ANALYZE"] {
        server.server.query(statistics).await;
        for mode in ["auto", "force_custom_plan", "force_generic_plan"] {
            let set = format!("ALTER ROLE app SET plan_cache_mode = {mode}");
            server.server.query(&set).await;
            check(&mut server, &url, &kept, &POSTGRES).await;
        }
    }
}

#[tokio::test]
async fn mariadb_finds_by_an_index_what_is_named() {
    let server = MariaDb::builder()
        .config("slow-query-log", "ON")
        .config("slow-query-log-file", "slow.log")
        .config("log-slow-verbosity", "query_plan,explain")
        .config("long-query-time", 0)
        .config("innodb-stats-auto-recalc", "OFF")
        .config("innodb-buffer-pool-size", "256M")
        .config("innodb-log-file-size", "256M")
        .start()
        .await;
    let url = server.url();
    let kept = keep(&url).await;
    let fill = format!(
        "INSERT INTO {TABLE} (session_key, revision, created_at, idle_deadline, \
         absolute_deadline, subject, payload) \
         SELECT UNHEX(CONCAT(LEFT(SHA2(seq, 256), 4), SHA2(seq, 256))) AS k, 1, 0, {} + seq, {}, \
         CONCAT('user-', seq DIV 5), REPEAT('x', 300) FROM seq_1_to_{} ORDER BY k",
        FIRST_END.as_millis(),
        FIRST_END.plus(DAY).as_millis(),
        rows(),
    );
    server.query(&fill).await;
    let file = server.query("SELECT CONCAT(@@datadir, @@slow_query_log_file)").await;
    let mut server = MariaDbLog { server, file: file.trim().into(), seen: 0 };
    for statistics in ["SELECT 1", "ANALYZE TABLE plans"] {
        server.server.query(statistics).await;
        check(&mut server, &url, &kept, &MARIADB).await;
    }
}

/// By which indexes the statements of an operation find what they read: `;` is between statements, and
/// what is inserted alone is found by none.
struct Expected {
    /// A create on the key of a session that has ended.
    make_way: &'static str,
    touch: &'static str,
    touch_one_gone: &'static str,
    delete_gone: &'static str,
}

const POSTGRES: Expected = Expected {
    make_way: "; key; ",
    // Once to lock them in order, once to write.
    touch: "key, key",
    touch_one_gone: "key, key",
    delete_gone: "key",
};

const MARIADB: Expected = Expected {
    make_way: "; key; ",
    touch: "key",
    touch_one_gone: "key; key",
    delete_gone: "key; key",
};

/// Does everything there is to do, once while no session has ended, once while half of them have,
/// and once when all have but the few that are kept.
async fn check(log: &mut impl Log, url: &str, kept: &[Key], expected: &Expected) {
    let clock = ManualClock::default();
    let builder = fixture::builder(url, "").table(TABLE).migrate(false).max_connections(1);
    let store = builder.clock(std::sync::Arc::new(clock.clone())).build().unwrap();
    let half = Duration::from_millis(rows() / 2);
    for now in [FIRST_END.minus(DAY), FIRST_END.plus(half), FIRST_END.plus(DAY)] {
        clock.set(now);
        check_at(log, &store, now, kept, expected).await;
    }
}

async fn check_at(
    log: &mut impl Log,
    store: &SqlStore,
    now: Timestamp,
    kept: &[Key],
    expected: &Expected,
) {
    let record = living();
    let (key, successor) = (sample::key(), sample::key());
    let create = async |record: &Record| {
        let created = store.create(&key, record).await.unwrap();
        assert!(matches!(created, Created::Created(_)), "{created:?}");
    };
    let ended = Record { idle_deadline: now.minus(DAY), ..living() };
    log.expect("create", 1, "", async || create(&ended).await).await;
    log.expect("make way", 1, expected.make_way, async || create(&record).await).await;

    let load = async |load| store.load(&key, load).await.unwrap();
    log.expect("load", 1, "key", async || load(Load::default()).await).await;
    let known = Load::default().known(Revision::new(1));
    log.expect("load what is known", 1, "key", async || load(known).await).await;

    let replace = async |expected| store.replace(&key, &record, expected).await.unwrap();
    let replaced = log.expect("replace", 1, "key", async || replace(Revision::new(1)).await).await;
    assert!(matches!(replaced, Replaced::Replaced(_)), "{replaced:?}");
    let conflict = async || replace(Revision::new(1)).await;
    let conflict = log.expect("conflict", 2, "key; key", conflict).await;
    assert!(matches!(conflict, Replaced::Conflict(_)), "{conflict:?}");
    let rotate = async || store.rotate(&key, &successor, &record, Revision::new(2)).await.unwrap();
    let rotated = log.expect("rotate", 1, "key", rotate).await;
    assert!(matches!(rotated, Replaced::Replaced(_)), "{rotated:?}");

    // Later each time, so that there is something to write.
    let touch = |key: &Key| Touch { key: *key, idle_deadline: now.plus(2 * DAY) };
    let mut touches: Vec<Touch> = kept.iter().map(touch).collect();
    let all = async |touches: &[Touch]| store.touch(touches).await.unwrap();
    log.expect("touch", 1, expected.touch, async || all(&touches[..1]).await).await;
    log.expect("touch many", TOUCHES, expected.touch, async || all(&touches).await).await;
    touches[0].key = key;
    let one_gone = async || all(&touches).await;
    log.expect("touch many", 2 * TOUCHES, expected.touch_one_gone, one_gone).await;

    let index = store.subjects().unwrap();
    let subject = Subject::new("user-7").unwrap();
    let list = async || index.list(&subject, None, 100).await.unwrap();
    log.expect("list", 5, "subject", list).await;
    let list = async || index.list(&subject, Some(&key), 100).await.unwrap();
    log.expect("list what is behind", 5, "subject", list).await;

    let purge = async || store.purge_expired(100).await.unwrap();
    log.expect("purge", 100, "ends_at, key", purge).await;

    let delete = async || store.delete(&successor).await.unwrap();
    assert!(log.expect("delete", 1, "key", delete).await);
    assert!(!log.expect("delete what is gone", 1, expected.delete_gone, delete).await);
}

/// A table with a few sessions that outlive all others.
async fn keep(url: &str) -> Vec<Key> {
    let store = fixture::builder(url, "").table(TABLE).build().unwrap();
    let mut kept = Vec::with_capacity(TOUCHES);
    for _ in 0..TOUCHES {
        let key = sample::key();
        store.create(&key, &living()).await.unwrap();
        kept.push(key);
    }
    kept
}

fn living() -> Record {
    let absolute_deadline = FIRST_END.plus(30 * DAY);
    Record { absolute_deadline, ..sample::record_living(FIRST_END, 2 * DAY) }
}

fn rows() -> u64 {
    std::env::var("PLAN_ROWS").map_or(ROWS, |rows| rows.parse().expect("a number"))
}

/// How one statement went about the table.
#[derive(Default)]
struct Plan {
    /// The indexes by which it has found rows, in the order of the alphabet.
    by: Vec<String>,
    /// How many rows it has read, those in between included.
    read: u64,
}

/// What a server logs of the store's statements.
trait Log {
    /// The plans of all that has ended since this was asked for the last time.
    async fn plans(&mut self) -> Vec<Plan>;

    /// Does something, and compares how the server went about it. A row that is named may be read
    /// three times: as what is asked for, in the table, and to be written.
    async fn expect<T>(
        &mut self,
        what: &str,
        named: usize,
        by: &str,
        something: impl AsyncFnOnce() -> T,
    ) -> T {
        self.plans().await;
        let done = something().await;
        let plans = self.plans().await;
        let found: Vec<String> = plans.iter().map(|plan| plan.by.join(", ")).collect();
        assert_eq!(found.join("; "), by, "{what}");
        let read: u64 = plans.iter().map(|plan| plan.read).sum();
        assert!(read <= 3 * named as u64, "{what}: {read} rows are read, and {named} are named");
        done
    }
}

struct PostgresLog {
    server: Postgres,
    /// How much of the log was looked at before.
    seen: usize,
}

impl Log for PostgresLog {
    async fn plans(&mut self) -> Vec<Plan> {
        let log = self.server.log();
        let new = log[self.seen..].to_owned();
        self.seen = log.len();
        // What a new connection asks is about no table.
        let plans = new.split("  plan:\n").skip(1).filter(|plan| plan.contains(TABLE));
        plans.map(in_postgres).collect()
    }
}

/// Reads the lines that begin with a tab.
fn in_postgres(text: &str) -> Plan {
    let mut plan = Plan::default();
    let mut lines = text.lines().take_while(|line| line.starts_with('\t')).peekable();
    // How often what comes next was executed.
    let mut loops = 1;
    while let Some(line) = lines.next() {
        let line = line.trim_start().trim_start_matches("->  ");
        if let Some(removed) = line.strip_prefix("Rows Removed by Filter: ") {
            plan.read += loops * removed.parse::<u64>().unwrap();
        }
        let Some((node, costs)) = line.split_once("  (cost=") else { continue };
        let Some((scan, relation)) = node.split_once(" on ") else { continue };
        let index = match scan.strip_prefix("Index Scan using ") {
            None if scan == "Bitmap Index Scan" => Some(relation),
            index => index,
        };
        if !scan.contains("Scan") || !relation.starts_with(TABLE) {
            continue;
        }
        let is_searched = lines.peek().is_some_and(|next| next.contains("Index Cond: "));
        match index.and_then(|index| index.strip_prefix("plans_")) {
            Some("pkey") if is_searched => plan.by.push("key".to_owned()),
            Some(index) if is_searched => plan.by.push(index.to_owned()),
            // By the index that is named next.
            None if scan == "Bitmap Heap Scan" => {}
            _ => plan.by.push(node.to_owned()),
        }
        if let Some((_, actual)) = costs.split_once("(actual rows=") {
            let (rows, rest) = actual.split_once(" loops=").unwrap();
            loops = rest.trim_end_matches(')').parse().unwrap();
            plan.read += rows.parse::<u64>().unwrap() * loops;
        }
    }
    plan.by.sort_unstable();
    plan
}

struct MariaDbLog {
    server: MariaDb,
    file: PathBuf,
    seen: usize,
}

impl Log for MariaDbLog {
    async fn plans(&mut self) -> Vec<Plan> {
        // A statement is logged after it was answered, and before its connection sleeps.
        let busy = "SELECT COUNT(*) FROM information_schema.processlist \
                    WHERE user = 'app' AND command <> 'Sleep'";
        let until = Instant::now() + fixture::TIMEOUT;
        while self.server.query(busy).await != "0" {
            assert!(Instant::now() < until, "the connection is still busy");
        }
        let log = std::fs::read(&self.file).unwrap();
        // There are keys in it.
        let new = String::from_utf8_lossy(&log[self.seen..]).into_owned();
        self.seen = log.len();
        let statements = new.split("# User@Host: app[").skip(1);
        statements.filter(|statement| statement.contains(TABLE)).map(in_mariadb).collect()
    }
}

/// Reads the lines that begin with `# explain:`, and how many rows were examined.
fn in_mariadb(text: &str) -> Plan {
    let mut plan = Plan::default();
    for line in text.lines() {
        if let Some((_, examined)) = line.split_once("  Rows_examined: ") {
            plan.read = examined.parse().unwrap();
        }
        let Some(line) = line.strip_prefix("# explain: ") else { continue };
        let columns: Vec<&str> = line.split('\t').collect();
        let [_, select_type, table, how, _, index, ..] = columns[..] else { continue };
        if select_type == "INSERT" || !["plans", "session"].contains(&table) {
            continue;
        }
        plan.by.push(match (how, index) {
            ("const" | "eq_ref" | "range" | "ref", "PRIMARY") => "key".to_owned(),
            ("range" | "ref", index) => index.replace("plans_", ""),
            (how, index) => format!("{how} {index}"),
        });
    }
    plan.by.sort_unstable();
    plan
}
