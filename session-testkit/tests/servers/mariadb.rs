//! A MariaDB server: started, stopped, and spoken to over TCP.

use std::process::Command;
use std::time::Duration;

use session_testkit::servers::MariaDb;

use crate::client::Client;

/// An application that has the URL, and nothing else.
fn client(mariadb: &MariaDb) -> Client {
    Client::new(command(&mariadb.url()))
}

fn command(url: &str) -> Command {
    let rest = url.strip_prefix("mysql://").expect("a URL");
    let (credentials, rest) = rest.split_once('@').expect("credentials");
    let (user, password) = credentials.split_once(':').expect("a password");
    let (address, database) = rest.split_once('/').expect("a database");
    let (host, port) = address.split_once(':').expect("a port");
    let mut command = Command::new("mariadb");
    command.args(["--no-defaults", "--protocol=tcp", "--batch", "--skip-column-names"]);
    command.args(["--unbuffered", "--host", host, "--port", port, "--user", user]);
    command.arg(format!("--password={password}")).arg(database);
    command
}

#[tokio::test]
async fn a_server_answers_at_its_url() {
    let mariadb = MariaDb::start().await;
    let mut client = client(&mariadb);
    let who = "SELECT current_user(), database()";
    assert_eq!(client.ask(who).await.as_deref(), Some("app@127.0.0.1\tapp"));
    assert_eq!(mariadb.query(who).await, "session-testkit@localhost\tapp");
    assert_eq!(mariadb.address().port(), mariadb.port());

    let wrong = mariadb.url().replace("app:", "app:not-");
    let refused = command(&wrong).args(["-e", "SELECT 1"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Access denied"));
}

#[tokio::test]
async fn the_application_has_its_database_and_nothing_else() {
    let mariadb = MariaDb::start().await;
    let mut client = client(&mariadb);
    let made = "CREATE TABLE t (n INT); INSERT INTO t VALUES (1), (2); SELECT count(*) FROM t";
    assert_eq!(client.ask(made).await.as_deref(), Some("2"));
    assert_eq!(mariadb.query("SELECT n, n + 1 FROM t ORDER BY n").await, "1\t2\n2\t3");
    assert_eq!(client.ask("SET GLOBAL max_connections = 1; SELECT 1").await, None);
}

#[tokio::test]
async fn a_setting_of_the_test_prevails() {
    let builder = MariaDb::builder().config("max_connections", 17);
    let mariadb = builder.config("innodb-buffer-pool-size", "24M").start().await;
    let settings = "SELECT @@max_connections, @@innodb_buffer_pool_size";
    assert_eq!(mariadb.query(settings).await, format!("17\t{}", 24 << 20));
}

#[tokio::test]
async fn servers_are_gone_with_their_files_when_they_are_dropped() {
    let mariadb = MariaDb::start().await;
    let address = mariadb.address();
    let folder = mariadb.query("SELECT @@datadir").await;
    assert!(std::path::Path::new(&folder).parent().is_some_and(std::path::Path::exists));
    let mut client = client(&mariadb);
    assert_eq!(client.ask("SELECT 1").await.as_deref(), Some("1"));
    mariadb.pause();

    drop(mariadb);
    assert!(!std::path::Path::new(&folder).exists());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    assert_eq!(client.ask("SELECT 2").await, None);
}

#[tokio::test]
async fn what_was_committed_survives_a_kill() {
    let mariadb = MariaDb::start().await;
    let (pid, url) = (mariadb.pid(), mariadb.url());
    let mut before = client(&mariadb);
    let commit = "CREATE TABLE t (n INT); INSERT INTO t VALUES (1) RETURNING n";
    assert_eq!(before.ask(commit).await.as_deref(), Some("1"));
    let open = "BEGIN; INSERT INTO t VALUES (2) RETURNING n";
    assert_eq!(before.ask(open).await.as_deref(), Some("2"));

    mariadb.kill();
    assert_eq!(mariadb.pid(), None);
    assert!(tokio::net::TcpStream::connect(mariadb.address()).await.is_err());
    assert_eq!(before.ask("COMMIT; SELECT 3").await, None);
    mariadb.restart().await;
    assert!(mariadb.pid().is_some_and(|restarted| Some(restarted) != pid));
    assert_eq!(mariadb.url(), url);
    assert_eq!(client(&mariadb).ask("SELECT n FROM t").await.as_deref(), Some("1"));
    assert_eq!(mariadb.query("SELECT n FROM t").await, "1");
}

#[tokio::test]
async fn a_paused_server_answers_when_it_is_resumed() {
    let mariadb = MariaDb::start().await;
    let mut open = client(&mariadb);
    assert_eq!(open.ask("CREATE TABLE t (n INT); SELECT 1").await.as_deref(), Some("1"));
    for n in [1, 2] {
        mariadb.pause();
        let mut new = client(&mariadb);
        open.send(&format!("INSERT INTO t VALUES ({n}) RETURNING n")).await;
        new.send("SELECT 0").await;
        for client in [&mut open, &mut new] {
            let early = tokio::time::timeout(Duration::from_millis(50), client.receive()).await;
            assert!(early.is_err(), "{early:?}");
        }
        mariadb.resume();
        assert_eq!(open.receive().await, Some(n.to_string()));
        assert_eq!(new.receive().await.as_deref(), Some("0"));
    }
    assert_eq!(mariadb.query("SELECT n FROM t").await, "1\n2");
}

#[tokio::test]
async fn a_server_that_is_read_only_refuses_writes() {
    let mariadb = MariaDb::start().await;
    let (mut open, mut hopeful, mut late) = (client(&mariadb), client(&mariadb), client(&mariadb));
    let made = "CREATE TABLE t (n INT); INSERT INTO t VALUES (1) RETURNING n";
    assert_eq!(open.ask(made).await.as_deref(), Some("1"));
    assert_eq!(hopeful.ask("SELECT 1").await.as_deref(), Some("1"));
    let uncommitted = "BEGIN; INSERT INTO t VALUES (0) RETURNING n";
    assert_eq!(late.ask(uncommitted).await.as_deref(), Some("0"));

    mariadb.read_only(true).await;
    assert_eq!(open.ask("SELECT n FROM t").await.as_deref(), Some("1"));
    let write = "INSERT INTO t VALUES (2) RETURNING n";
    assert_eq!(hopeful.ask(write).await, None);
    assert_eq!(client(&mariadb).ask(write).await, None);
    assert_eq!(late.ask("COMMIT; SELECT 0").await, None);

    mariadb.read_only(false).await;
    assert_eq!(client(&mariadb).ask(write).await.as_deref(), Some("2"));
    assert_eq!(mariadb.query("SELECT n FROM t ORDER BY n").await, "1\n2");
}

#[tokio::test]
async fn connections_are_terminated_for_all_but_the_fixture() {
    let mariadb = MariaDb::start().await;
    assert_eq!(mariadb.terminate_connections().await, 0);
    let (mut one, mut two) = (client(&mariadb), client(&mariadb));
    for client in [&mut one, &mut two] {
        assert_eq!(client.ask("SELECT 1").await.as_deref(), Some("1"));
    }
    assert_eq!(mariadb.terminate_connections().await, 2);
    let id = "SELECT connection_id() > 0";
    assert_eq!(one.ask(id).await, None);
    assert_eq!(client(&mariadb).ask(id).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn two_servers_do_not_disturb_each_other() {
    let (one, two) = tokio::join!(MariaDb::start(), MariaDb::start());
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
    let start = MariaDb::builder().config("no-such-option", "on").start();
    let panic = tokio::spawn(start).await.unwrap_err().into_panic();
    let message = panic.downcast_ref::<String>().unwrap();
    for part in ["mariadbd has ended", "no-such-option"] {
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn the_password_is_not_shown() {
    let mariadb = MariaDb::start().await;
    let url = mariadb.url();
    let password = url.strip_prefix("mysql://app:").unwrap().split('@').next().unwrap();
    assert!(!format!("{mariadb:?}").contains(password));
    assert!(!mariadb.log().contains(password));
}
