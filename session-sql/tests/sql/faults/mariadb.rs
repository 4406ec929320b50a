//! What holds on PostgreSQL, on MariaDB: all on one server, one after the other.

use session_testkit::servers::MariaDb;

use super::{cancelled, exhausted, frozen, killed, read_only};

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_hangs_is_exhausted_refuses_and_dies() {
    let mariadb = MariaDb::start().await;
    frozen::check(&mariadb, "frozen").await;
    exhausted::check(&mariadb, "exhausted").await;
    read_only::check(&mariadb, "read_only", "1290").await;
    killed::check_terminated(&mariadb, "terminated").await;
    killed::check_killed(&mariadb, "killed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_calls_on_mariadb_leave_nothing_behind() {
    cancelled::check(&MariaDb::start().await).await;
}
