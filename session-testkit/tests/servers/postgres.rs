//! A PostgreSQL server: started, stopped, and spoken to over TCP.

use std::process::Command;
use std::time::Duration;

use session_testkit::servers::Postgres;

use crate::client::Client;

/// An application that has the URL, and nothing else.
fn client(postgres: &Postgres) -> Client {
    Client::new(psql(&postgres.url()))
}

pub(crate) fn psql(url: &str) -> Command {
    let mut command = Command::new("psql");
    command.args(["-XqAt", "--set=ON_ERROR_STOP=1", url]);
    command
}

/// The segment of shared memory of the server on this folder.
#[cfg(target_os = "linux")]
pub(crate) fn segment(folder: &std::path::Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join("postmaster.pid")).ok()?;
    Some(text.lines().nth(6)?.split_whitespace().nth(1)?.to_owned())
}

#[tokio::test]
async fn a_server_answers_at_its_url() {
    let postgres = Postgres::start().await;
    let mut client = client(&postgres);
    let who = "SELECT current_user || ' of ' || current_database()";
    assert_eq!(client.ask(who).await.as_deref(), Some("app of app"));
    assert_eq!(postgres.query(who).await, "postgres of app");
    assert_eq!(postgres.address().port(), postgres.port());

    let wrong = postgres.url().replace("app:", "app:not-");
    let refused = psql(&wrong).args(["-c", "SELECT 1"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("password authentication failed"));
}

#[tokio::test]
async fn the_application_owns_its_database_and_nothing_else() {
    let postgres = Postgres::start().await;
    let mut client = client(&postgres);
    let made = "CREATE TABLE t (n INT); INSERT INTO t VALUES (1), (2); SELECT count(*) FROM t";
    assert_eq!(client.ask(made).await.as_deref(), Some("2"));
    assert_eq!(postgres.query("SELECT n, n + 1 FROM t ORDER BY n").await, "1\t2\n2\t3");
    assert_eq!(client.ask("ALTER SYSTEM SET work_mem = '1MB'").await, None);
}

#[tokio::test]
async fn a_setting_of_the_test_prevails() {
    let builder = Postgres::builder().config("max_connections", 7);
    let postgres = builder.config("fsync", "on").config("cluster_name", "it's").start().await;
    for (name, value) in [("max_connections", "7"), ("fsync", "on"), ("cluster_name", "it's")] {
        let setting = format!("SELECT reset_val FROM pg_settings WHERE name = '{name}'");
        assert_eq!(postgres.query(&setting).await, value);
    }
}

#[tokio::test]
async fn servers_are_gone_with_their_files_when_they_are_dropped() {
    let postgres = Postgres::start().await;
    let address = postgres.address();
    let folder = postgres.query("SHOW data_directory").await;
    assert!(std::path::Path::new(&folder).parent().is_some_and(std::path::Path::exists));
    let mut client = client(&postgres);
    assert_eq!(client.ask("SELECT 1").await.as_deref(), Some("1"));
    postgres.pause();

    drop(postgres);
    assert!(!std::path::Path::new(&folder).exists());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    assert_eq!(client.ask("SELECT 2").await, None);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_shared_memory_is_left_behind() {
    let postgres = Postgres::start().await;
    let folder = postgres.query("SHOW data_directory").await;
    let segment = segment(folder.as_ref()).unwrap();
    let is_there = || {
        let segments = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
        segments.lines().any(|line| line.split_whitespace().nth(1) == Some(&segment))
    };
    assert!(is_there());
    drop(postgres);
    assert!(!is_there());
}

#[tokio::test]
async fn what_was_committed_survives_a_kill() {
    let postgres = Postgres::start().await;
    let (pid, url) = (postgres.pid(), postgres.url());
    let mut before = client(&postgres);
    let commit = "CREATE TABLE t (n INT); INSERT INTO t VALUES (1) RETURNING n";
    assert_eq!(before.ask(commit).await.as_deref(), Some("1"));
    let open = "BEGIN; INSERT INTO t VALUES (2) RETURNING n";
    assert_eq!(before.ask(open).await.as_deref(), Some("2"));

    postgres.kill();
    assert_eq!(postgres.pid(), None);
    assert!(tokio::net::TcpStream::connect(postgres.address()).await.is_err());
    assert_eq!(before.ask("COMMIT; SELECT 3").await, None);
    postgres.restart().await;
    assert!(postgres.pid().is_some_and(|restarted| Some(restarted) != pid));
    assert_eq!(postgres.url(), url);
    assert_eq!(client(&postgres).ask("SELECT n FROM t").await.as_deref(), Some("1"));
    assert_eq!(postgres.query("SELECT n FROM t").await, "1");
}

#[tokio::test]
async fn a_paused_server_answers_when_it_is_resumed() {
    let postgres = Postgres::start().await;
    let mut open = client(&postgres);
    assert_eq!(open.ask("CREATE TABLE t (n INT); SELECT 1").await.as_deref(), Some("1"));
    for n in [1, 2] {
        postgres.pause();
        let mut new = client(&postgres);
        open.send(&format!("INSERT INTO t VALUES ({n}) RETURNING n")).await;
        new.send("SELECT 0").await;
        for client in [&mut open, &mut new] {
            let early = tokio::time::timeout(Duration::from_millis(50), client.receive()).await;
            assert!(early.is_err(), "{early:?}");
        }
        postgres.resume();
        assert_eq!(open.receive().await, Some(n.to_string()));
        assert_eq!(new.receive().await.as_deref(), Some("0"));
    }
    assert_eq!(postgres.query("SELECT n FROM t").await, "1\n2");
}

#[tokio::test]
async fn a_server_that_is_read_only_refuses_writes() {
    let postgres = Postgres::start().await;
    let (mut open, mut hopeful) = (client(&postgres), client(&postgres));
    let made = "CREATE TABLE t (n INT); INSERT INTO t VALUES (1) RETURNING n";
    assert_eq!(open.ask(made).await.as_deref(), Some("1"));
    assert_eq!(hopeful.ask("SELECT 1").await.as_deref(), Some("1"));

    postgres.read_only(true).await;
    assert_eq!(open.ask("SELECT n FROM t").await.as_deref(), Some("1"));
    let write = "INSERT INTO t VALUES (2) RETURNING n";
    assert_eq!(hopeful.ask(write).await, None);
    assert_eq!(client(&postgres).ask(write).await, None);
    let refusal = postgres.try_query(write).await.unwrap_err().to_string();
    assert!(refusal.contains("read-only transaction"), "{refusal}");
    postgres.kill();
    postgres.restart().await;
    assert!(postgres.try_query(write).await.is_err());

    postgres.read_only(false).await;
    assert_eq!(client(&postgres).ask(write).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn backends_are_terminated_for_all_but_the_fixture() {
    let postgres = Postgres::start().await;
    assert_eq!(postgres.terminate_backends().await, 0);
    let (mut one, mut two) = (client(&postgres), client(&postgres));
    for client in [&mut one, &mut two] {
        assert_eq!(client.ask("SELECT 1").await.as_deref(), Some("1"));
    }
    assert_eq!(postgres.terminate_backends().await, 2);
    assert_eq!(one.ask("SELECT 1").await, None);
    assert_eq!(client(&postgres).ask("SELECT 1").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn two_servers_do_not_disturb_each_other() {
    let (one, two) = tokio::join!(Postgres::start(), Postgres::start());
    assert_ne!(one.port(), two.port());
    assert_ne!(one.url(), two.url());
    one.query("CREATE TABLE t (n INT)").await;
    assert!(two.try_query("SELECT n FROM t").await.is_err());
    one.pause();
    two.query("CREATE TABLE t (n INT)").await;
    drop(one);
    assert_eq!(two.query("SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let start = Postgres::builder().config("no_such_parameter", "on").start();
    let panic = tokio::spawn(start).await.unwrap_err().into_panic();
    let message = panic.downcast_ref::<String>().unwrap();
    for part in ["postgres has ended", "no_such_parameter"] {
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn the_password_is_not_shown() {
    let postgres = Postgres::start().await;
    let url = postgres.url();
    let password = url.strip_prefix("postgres://app:").unwrap().split('@').next().unwrap();
    assert!(!format!("{postgres:?}").contains(password));
    assert!(!postgres.log().contains(password));
}
