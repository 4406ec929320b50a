//! Servers do not outlive those who started them, nor end before.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use session_testkit::servers::Redis;

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let redis = std::thread::spawn(|| block_on(Redis::start())).join().unwrap();
    let pong = block_on(redis.query::<String>(&["PING"]));
    assert_eq!(pong.unwrap(), "PONG");
}

/// Set for the process that is to be killed, which runs the same test.
const VICTIM: &str = "SESSION_TESTKIT_VICTIM";

#[test]
fn a_server_ends_with_the_process_that_started_it() {
    const NAME: &str = "orphans::a_server_ends_with_the_process_that_started_it";
    if std::env::var_os(VICTIM).is_some() {
        let redis = block_on(Redis::start());
        println!("\nserver {}", redis.pid().unwrap());
        loop {
            std::thread::park();
        }
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(VICTIM, "yes")
        // Its folder is left behind, for which nobody but us would care.
        .env("TMPDIR", env!("CARGO_TARGET_TMPDIR"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let pid =
        lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix("server ")?.to_owned()));
    let server = PathBuf::from("/proc").join(pid.expect("the victim's server")).join("cmdline");
    assert!(is_redis(&server));

    victim.kill().unwrap();
    victim.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_redis(&server) {
        assert!(Instant::now() < deadline, "the server goes on");
        std::thread::yield_now();
    }
}

/// Empty for a process that has ended and not been reaped, and gone after that.
fn is_redis(command_line: &PathBuf) -> bool {
    std::fs::read_to_string(command_line).is_ok_and(|line| line.contains("redis-server"))
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(future)
}
