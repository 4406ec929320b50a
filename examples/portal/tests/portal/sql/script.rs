//! The HTTP script on every database, and with a cache in front of the one that announces changes.

use session_testkit::servers::{MariaDb, Postgres};

use super::{config_at, file_in};
use crate::layered::cached;
use crate::process::Directory;
use crate::redis::script::play_on;

#[tokio::test(flavor = "multi_thread")]
async fn the_script_holds_on_sqlite() {
    let directory = Directory::new();
    play_on(&config_at(&file_in(&directory))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_holds_on_mariadb() {
    let mariadb = MariaDb::start().await;
    play_on(&config_at(&mariadb.url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_holds_on_postgres() {
    let postgres = Postgres::start().await;
    play_on(&config_at(&postgres.url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_holds_on_postgres_with_a_cache() {
    let postgres = Postgres::start().await;
    play_on(&cached(&config_at(&postgres.url()))).await;
}
