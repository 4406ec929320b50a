//! Expired sessions go by themselves, whatever happens meanwhile.

use std::time::Duration;

use session_core::{Clock as _, Store as _, SystemClock};
use session_sql::SqlStore;
use session_testkit::sample;
use session_testkit::servers::Postgres;
use tokio::runtime::Handle;

use super::server::Server;
use super::{LONG, builder, until};

#[tokio::test(flavor = "multi_thread")]
async fn expired_sessions_go_by_themselves_until_the_last_handle_has_gone() {
    let postgres = Postgres::start().await;
    let before = Handle::current().metrics().num_alive_tasks();
    let store = builder(&postgres.url(), "swept").sweep_every(PAUSE).build().unwrap();
    expire_some(&store).await;
    until_empty(&postgres).await;

    expire_some(&store).await;
    postgres.pause();
    // A round begins, and fails.
    tokio::time::sleep(PAUSE.mul_f64(1.3)).await;
    postgres.resume();
    until_empty(&postgres).await;

    expire_some(&store).await;
    postgres.kill();
    tokio::time::sleep(PAUSE.mul_f64(1.3)).await;
    postgres.restart().await;
    until_empty(&postgres).await;

    let another = store.clone();
    drop(store);
    expire_some(&another).await;
    until_empty(&postgres).await;
    drop(another);
    // At once, and not with its next round.
    until("the sweeper to end", PAUSE / 2, async || {
        // One measures the time meanwhile.
        Handle::current().metrics().num_alive_tasks() == before + 1
    })
    .await;
    postgres.settled(0).await;
}

/// A batch that takes longer than a statement may is never done; smaller ones are.
#[tokio::test(flavor = "multi_thread")]
async fn batches_that_take_too_long_become_smaller() {
    let postgres = Postgres::start().await;
    let store = builder(&postgres.url(), "swept").sweep_every(PAUSE).build().unwrap();
    expire_some(&store).await;
    until_empty(&postgres).await;
    let slowly = "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS \
                  $$ BEGIN PERFORM pg_sleep(0.002); RETURN OLD; END $$; \
                  CREATE TRIGGER slowly BEFORE DELETE ON s_swept \
                  FOR EACH ROW EXECUTE FUNCTION slowly()";
    postgres.query(slowly).await;
    let fill = "INSERT INTO s_swept (session_key, revision, created_at, idle_deadline, \
                absolute_deadline, payload) \
                SELECT substring(sha256(n::text::bytea) || sha256(n::text::bytea) FOR 34), \
                1, 0, n, n, '' FROM generate_series(1, 600) AS n";
    postgres.query(fill).await;
    until_empty(&postgres).await;
}

/// Shortest pause between two rounds that there may be.
const PAUSE: Duration = Duration::from_secs(1);

async fn expire_some(store: &SqlStore) {
    for _ in 0..3 {
        until("a session to be created", LONG, async || {
            let record = sample::record_living(SystemClock.now(), Duration::from_millis(1));
            store.create(&sample::key(), &record).await.is_ok()
        })
        .await;
    }
}

async fn until_empty(postgres: &Postgres) {
    until("expired sessions to go", LONG, async || {
        postgres.count("SELECT count(*) FROM s_swept").await == 0
    })
    .await;
}
