//! Servers do not outlive those who started them, nor end before.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use session_testkit::servers::{MariaDb, Nginx, PgBouncer, Postgres, Redis};

use crate::postgres::segment;

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let redis = std::thread::spawn(|| block_on(Redis::start())).join().unwrap();
    let pong = block_on(redis.query::<String>(&["PING"]));
    assert_eq!(pong.unwrap(), "PONG");
}

#[test]
fn redis_ends_with_the_process_that_started_it() {
    const NAME: &str = "orphans::redis_ends_with_the_process_that_started_it";
    ends_with_its_process(NAME, async || {
        let redis = Redis::start().await;
        ([redis.pid()], redis)
    });
}

#[test]
fn postgres_ends_with_the_process_that_started_it() {
    const NAME: &str = "orphans::postgres_ends_with_the_process_that_started_it";
    ends_with_its_process(NAME, async || {
        let postgres = Postgres::start().await;
        ([postgres.pid()], postgres)
    });
}

#[test]
fn postgres_ends_even_while_it_is_paused() {
    const NAME: &str = "orphans::postgres_ends_even_while_it_is_paused";
    ends_with_its_process(NAME, async || {
        let postgres = Postgres::start().await;
        postgres.pause();
        ([postgres.pid()], postgres)
    });
}

#[test]
fn mariadb_ends_with_the_process_that_started_it() {
    const NAME: &str = "orphans::mariadb_ends_with_the_process_that_started_it";
    ends_with_its_process(NAME, async || {
        let mariadb = MariaDb::start().await;
        ([mariadb.pid()], mariadb)
    });
}

#[test]
fn pgbouncer_ends_with_the_process_that_started_it() {
    const NAME: &str = "orphans::pgbouncer_ends_with_the_process_that_started_it";
    ends_with_its_process(NAME, async || {
        let postgres = Postgres::start().await;
        let pgbouncer = PgBouncer::start(&postgres).await;
        ([postgres.pid(), pgbouncer.pid()], (postgres, pgbouncer))
    });
}

#[test]
fn nginx_ends_with_the_process_that_started_it() {
    const NAME: &str = "orphans::nginx_ends_with_the_process_that_started_it";
    ends_with_its_process(NAME, async || {
        let nginx =
            Nginx::start(|address| format!("server {{ listen {address}; return 204; }}")).await;
        ([nginx.pid()], nginx)
    });
}

/// Set for the process that is to be killed, which runs the same test.
const VICTIM: &str = "SESSION_TESTKIT_VICTIM";

/// Kills a process that runs the test of this name and has started servers, in the way in which
/// test runners do that, and waits until none of their processes is there.
fn ends_with_its_process<S, const N: usize>(
    name: &str,
    start: impl AsyncFn() -> ([Option<u32>; N], S),
) {
    if std::env::var_os(VICTIM).is_some() {
        let (pids, _servers) = block_on(start());
        for pid in pids {
            println!("\nserver {}", pid.expect("one that runs"));
        }
        loop {
            std::thread::park();
        }
    }
    let mut victim = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", name, "--nocapture"])
        .env(VICTIM, "yes")
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("the victim");
    let lines = BufReader::new(victim.stdout.take().expect("its output")).lines();
    let pids = lines.map_while(Result::ok);
    let pids = pids.filter_map(|line| Some(line.strip_prefix("server ")?.to_owned()));
    let folders: Vec<PathBuf> = pids.take(N).map(|pid| folder_of(&pid)).collect();
    assert_eq!(folders.len(), N);
    assert!(folders.iter().all(|folder| is_worked_in(folder)));

    let group = format!("-{}", victim.id());
    let killed = Command::new("kill").args(["-KILL", "--", &group]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    victim.wait().expect("its end");
    let deadline = Instant::now() + Duration::from_secs(10);
    while folders.iter().any(|folder| is_worked_in(folder)) {
        assert!(Instant::now() < deadline, "a server goes on in one of {folders:?}");
        std::thread::yield_now();
    }
    for folder in folders {
        clean_up(&folder);
    }
}

/// The folder of a server, in which, or below which, it works.
fn folder_of(pid: &str) -> PathBuf {
    let below = fs::read_link(Path::new("/proc").join(pid).join("cwd")).expect("a folder");
    let is_root = |folder: &&Path| {
        let name = folder.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("session-testkit-")
    };
    below.ancestors().find(is_root).expect("a temporary folder").to_owned()
}

/// Whether any process works in the folder: its parent may be gone, or have been another one.
fn is_worked_in(folder: &Path) -> bool {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let mut places = processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok());
    places.any(|place| place.starts_with(folder))
}

/// Removes what nobody was there to remove.
fn clean_up(folder: &Path) {
    if let Some(segment) = segment(&folder.join("data")) {
        let _ = Command::new("ipcrm").args(["-m", &segment]).status();
    }
    fs::remove_dir_all(folder).expect("a folder of ours");
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(future)
}
