//! Connections that nobody on the way can read.

use std::fs;

use session_core::{Clock as _, Created, ErrorKind, Load, Loaded, Store as _, SystemClock};
use session_testkit::sample;
use session_testkit::servers::{Certificates, MariaDb, Postgres};
use tempfile::TempDir;

use crate::fixture::builder;

/// An authority's certificate in a file, and that of one who has certified nothing here.
struct Authorities {
    folder: TempDir,
    certificates: Certificates,
}

impl Authorities {
    fn new() -> Self {
        let (folder, certificates) = (TempDir::new().unwrap(), Certificates::generate());
        fs::write(folder.path().join("ours.pem"), &certificates.ca).unwrap();
        fs::write(folder.path().join("strangers.pem"), Certificates::generate().ca).unwrap();
        Self { folder, certificates }
    }

    fn path(&self, whose: &str) -> String {
        self.folder.path().join(format!("{whose}.pem")).display().to_string()
    }
}

async fn assert_works(url: &str) {
    let store = builder(url, "tls").build().unwrap();
    let (key, record) = (sample::key(), sample::record(SystemClock.now()));
    assert!(matches!(store.create(&key, &record).await, Ok(Created::Created(_))));
    let loaded = store.load(&key, Load::default()).await.unwrap();
    assert!(matches!(loaded, Loaded::Found { .. }), "{loaded:?}");
}

async fn assert_refused(url: &str, password: &str) {
    let store = builder(url, "tls").build().unwrap();
    let error = store.load(&sample::key(), Load::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(!format!("{error} {error:?}").contains(password), "{error:?}");
}

/// What stands between `:` and `@`.
fn password(url: &str) -> &str {
    url.rsplit_once('@').and_then(|(user, _)| user.rsplit_once(':')).unwrap().1
}

#[tokio::test]
async fn postgres_is_reached_by_tls_and_no_other_server_is() {
    let authorities = Authorities::new();
    let postgres = Postgres::builder().tls(&authorities.certificates).start().await;
    // Whoever does not encrypt is not let in.
    let rules = postgres.query("SHOW hba_file").await;
    fs::write(rules.trim(), "local all all trust\nhostssl all all all scram-sha-256\n").unwrap();
    postgres.query("SELECT pg_reload_conf()").await;

    let (url, secret) = (postgres.url(), password(&postgres.url()).to_owned());
    let verified =
        |whose| format!("{url}?sslmode=verify-full&sslrootcert={}", authorities.path(whose));
    assert_works(&verified("ours")).await;
    assert_works(&format!("{url}?sslmode=require")).await;
    assert_refused(&verified("strangers"), &secret).await;
    assert_refused(&format!("{url}?sslmode=disable"), &secret).await;

    let plain = Postgres::start().await;
    assert_refused(&format!("{}?sslmode=require", plain.url()), password(&plain.url())).await;
}

#[tokio::test]
async fn mariadb_is_reached_by_tls_and_no_other_server_is() {
    let authorities = Authorities::new();
    let mariadb = MariaDb::builder().tls(&authorities.certificates).start().await;
    mariadb.query("ALTER USER app@`127.0.0.1` REQUIRE SSL").await;

    let (url, secret) = (mariadb.url(), password(&mariadb.url()).to_owned());
    let verified =
        |whose| format!("{url}?ssl-mode=VERIFY_IDENTITY&ssl-ca={}", authorities.path(whose));
    assert_works(&verified("ours")).await;
    assert_works(&format!("{url}?ssl-mode=REQUIRED")).await;
    assert_refused(&verified("strangers"), &secret).await;
    assert_refused(&format!("{url}?ssl-mode=DISABLED"), &secret).await;

    let plain = MariaDb::start().await;
    assert_refused(&format!("{}?ssl-mode=REQUIRED", plain.url()), password(&plain.url())).await;
}
