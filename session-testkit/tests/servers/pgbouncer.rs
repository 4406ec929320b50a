//! PgBouncer, by what makes it different from the server behind it.

use std::time::{Duration, Instant};

use session_testkit::servers::{PgBouncer, Postgres};

use crate::client::Client;
use crate::postgres::psql;

fn client(pgbouncer: &PgBouncer) -> Client {
    Client::new(psql(&pgbouncer.url()))
}

#[tokio::test]
async fn it_lets_the_application_through_to_the_server() {
    let postgres = Postgres::start().await;
    let pgbouncer = PgBouncer::start(&postgres).await;
    let who = "SELECT current_user || ' of ' || current_database()";
    assert_eq!(client(&pgbouncer).ask(who).await.as_deref(), Some("app of app"));
    assert_ne!(pgbouncer.port(), postgres.port());
    assert_eq!(pgbouncer.address().port(), pgbouncer.port());

    let wrong = pgbouncer.url().replace("app:", "app:not-");
    let refused = psql(&wrong).args(["-c", "SELECT 1"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("authentication failed"));
}

#[tokio::test]
async fn connections_are_lent_for_one_transaction() {
    let postgres = Postgres::start().await;
    let pgbouncer = PgBouncer::builder(&postgres).config("default_pool_size", 1).start().await;
    let (mut one, mut two) = (client(&pgbouncer), client(&pgbouncer));
    let backend = "SELECT pg_backend_pid()";
    let pid = one.ask(backend).await;
    assert!(pid.is_some());
    assert_eq!(two.ask(backend).await, pid);

    assert_eq!(one.ask("BEGIN; SELECT 1").await.as_deref(), Some("1"));
    two.send(backend).await;
    let early = tokio::time::timeout(Duration::from_millis(50), two.receive()).await;
    assert!(early.is_err(), "{early:?}");
    one.send("COMMIT").await;
    assert_eq!(two.receive().await, pid);
    let pools = pgbouncer.query("SHOW POOLS").await;
    assert!(pools.lines().any(|pool| pool.starts_with("app\tapp\t")), "{pools}");
}

#[tokio::test]
async fn a_session_belongs_to_nobody() {
    let postgres = Postgres::start().await;
    let pgbouncer = PgBouncer::builder(&postgres).config("default_pool_size", 1).start().await;
    let (mut one, mut two) = (client(&pgbouncer), client(&pgbouncer));
    let set = "SET application_name = 'one'; SET statement_timeout = 4711; SELECT 1";
    assert_eq!(one.ask(set).await.as_deref(), Some("1"));
    assert_eq!(two.ask("SHOW statement_timeout").await.as_deref(), Some("4711ms"));
}

#[tokio::test]
async fn it_is_paused_killed_and_started_again_on_its_own() {
    let postgres = Postgres::start().await;
    let pgbouncer = PgBouncer::start(&postgres).await;
    let (pid, url) = (pgbouncer.pid(), pgbouncer.url());
    let mut before = client(&pgbouncer);
    assert_eq!(before.ask("SELECT 1").await.as_deref(), Some("1"));
    pgbouncer.pause();
    before.send("SELECT 2").await;
    let early = tokio::time::timeout(Duration::from_millis(50), before.receive()).await;
    assert!(early.is_err(), "{early:?}");
    assert_eq!(postgres.query("SELECT 0").await, "0");
    pgbouncer.resume();
    assert_eq!(before.receive().await.as_deref(), Some("2"));

    pgbouncer.kill();
    assert_eq!(before.ask("SELECT 3").await, None);
    pgbouncer.restart().await;
    assert!(pgbouncer.pid().is_some_and(|restarted| Some(restarted) != pid));
    assert_eq!(pgbouncer.url(), url);
    assert_eq!(client(&pgbouncer).ask("SELECT 4").await.as_deref(), Some("4"));
}

#[tokio::test]
async fn it_goes_on_when_the_server_is_started_again() {
    let postgres = Postgres::start().await;
    let pgbouncer = PgBouncer::start(&postgres).await;
    let mut before = client(&pgbouncer);
    assert_eq!(before.ask("SELECT 1").await.as_deref(), Some("1"));
    postgres.kill();
    postgres.restart().await;
    // Until it has seen that the old connection is gone, it lends that one.
    let deadline = Instant::now() + Duration::from_secs(10);
    while client(&pgbouncer).ask("SELECT 2").await.is_none() {
        assert!(Instant::now() < deadline, "{}", pgbouncer.log());
    }
}

#[tokio::test]
async fn one_that_cannot_start_says_why() {
    let postgres = Postgres::start().await;
    let start = PgBouncer::builder(&postgres).config("pool_mode", "no-such-mode").start();
    let panic = tokio::spawn(start).await.unwrap_err().into_panic();
    let message = panic.downcast_ref::<String>().unwrap();
    for part in ["pgbouncer has ended", "no-such-mode"] {
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn the_password_is_not_shown() {
    let postgres = Postgres::start().await;
    let builder = PgBouncer::builder(&postgres);
    let shown = format!("{builder:?}");
    let pgbouncer = builder.start().await;
    let url = pgbouncer.url();
    let password = url.strip_prefix("postgres://app:").unwrap().split('@').next().unwrap();
    let shown = [shown, format!("{pgbouncer:?}"), pgbouncer.log()];
    assert!(shown.iter().all(|text| !text.contains(password)));
}
