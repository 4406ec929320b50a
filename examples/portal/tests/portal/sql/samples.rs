//! The configurations that are promised to work as they stand, but for time enough for a busy machine.

use std::path::Path;

use session_testkit::servers::{MariaDb, Postgres};

use crate::configured::{Configured, until_ready};
use crate::process::{DEADLINE, Directory, Portal, command, run};

const SAMPLE: &str = r#"
[session]
store = "main"
[stores.main]
kind = "sql"
url = "sqlite://sessions.db"
migrate = true
sweep_every = "1m"
"#;

const OF_THE_PORTAL: &str = include_str!("../../../sqlite.toml");

/// A portal that is started again goes on with the sessions of before.
#[tokio::test]
async fn the_samples_of_sqlite_work_as_they_stand() {
    for sample in [SAMPLE, OF_THE_PORTAL] {
        let directory = Directory::new();
        let first = in_directory(&directory, sample).await;
        let client = first.signed_in("u1001").await;
        let (status, _) = first.stopped().await;
        assert_eq!(status.code(), Some(0));
        let second = in_directory(&directory, sample).await;
        let mut again = second.client();
        again.set_cookie(client.cookie().expect("a cookie"));
        again.get("/api/me").await.expect(200);
        assert!(directory.path().join("sessions.db").is_file());
    }
}

/// The file's name is relative, so it is that of the directory in which the portal runs.
async fn in_directory(directory: &Directory, config: &str) -> Portal {
    let file = directory.write("session.toml", config);
    let mut command = command(&["--config", &file, "--listen", "127.0.0.1:0"]);
    Portal::spawn(command.current_dir(Path::new(directory.path()))).await
}

#[tokio::test]
async fn the_sample_of_postgres_works_as_it_stands() {
    let postgres = Postgres::start().await;
    let sample = include_str!("../../../postgres.toml");
    let (url, patient) = (postgres.url(), ("SESSION__STORES__POSTGRES__TIMEOUT", "10s"));
    let environment = [("DATABASE_URL", url.as_str()), patient];
    let configured = Configured::start_with(sample, &environment).await;
    until_ready(&configured.portal, DEADLINE).await;
    let mut client = configured.portal.signed_in("u1001").await;
    crate::layered::until_local(&mut client).await;
    client.post("/api/logout").await.expect(204);
    client.get("/api/me").await.expect_error(401, "no_session");
}

#[tokio::test]
async fn the_sample_of_mysql_works_as_it_stands() {
    let mariadb = MariaDb::start().await;
    let sample = include_str!("../../../mysql.toml");
    let (url, patient) = (mariadb.url(), ("SESSION__STORES__MAIN__TIMEOUT", "10s"));
    let environment = [("DATABASE_URL", url.as_str()), patient];
    let configured = Configured::start_with(sample, &environment).await;
    until_ready(&configured.portal, DEADLINE).await;
    let mut client = configured.portal.signed_in("u1001").await;
    client.get("/api/me").await.expect(200);
    client.post("/api/logout").await.expect(204);
    client.get("/api/me").await.expect_error(401, "no_session");
}

#[tokio::test]
async fn a_url_that_is_none_stops_the_start_and_is_not_shown() {
    let directory = Directory::new();
    for url in ["postgres://u:geheim@host:port/x", "oracle://u:geheim@host/x", "u:geheim@host"] {
        let config = SAMPLE.replace("sqlite://sessions.db", url);
        let file = directory.write("session.toml", &config);
        let output = run(&["--config", &file]).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("stores.main.url") && told.contains("session.toml"), "{told}");
        assert!(!told.contains("geheim"), "{told}");
    }
}
