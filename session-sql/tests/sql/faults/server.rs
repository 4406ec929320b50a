//! What tests ask of a server, whatever its dialect.

use std::net::SocketAddr;

use session_testkit::servers::{MariaDb, Postgres};

use super::{LONG, until};
use crate::fixture;
use crate::outsider::Outsider;

/// A server that belongs to a test, with its own account of who is connected.
pub(super) trait Server: Sync {
    /// Counts the connections of the user `app`.
    const CONNECTIONS: &str;
    /// Counts those that are in a transaction, and say nothing.
    const IN_TRANSACTION: &str;
    /// Counts those that wait for somebody else's lock.
    const WAITING: &str;

    fn url(&self) -> String;
    fn address(&self) -> SocketAddr;
    fn pause(&self);
    fn resume(&self);
    fn kill(&self);
    fn restart(&self) -> impl Future<Output = ()> + Send;
    fn ask(&self, sql: &str) -> impl Future<Output = String> + Send;
    fn read_only(&self, read_only: bool) -> impl Future<Output = ()> + Send;
    /// Closes all connections of the user `app`.
    fn terminate(&self) -> impl Future<Output = usize> + Send;

    async fn count(&self, sql: &str) -> usize {
        self.ask(sql).await.parse().unwrap()
    }

    /// Returns when there are at most so many connections, and none is in a transaction.
    async fn settled(&self, connections: usize) {
        until("the server to have few connections, all idle", LONG, async || {
            self.count(Self::CONNECTIONS).await <= connections
                && self.count(Self::IN_TRANSACTION).await == 0
        })
        .await;
    }

    /// Returns when so many wait for a lock.
    async fn waiting(&self, count: usize) {
        until("connections to wait for a lock", LONG, async || {
            self.count(Self::WAITING).await == count
        })
        .await;
    }

    /// Locks every row of a namespace's table.
    async fn lock(&self, namespace: &str) -> Outsider {
        let mut outsider = Outsider::connect(&self.url()).await;
        let table = fixture::table(namespace);
        outsider.execute(&format!("BEGIN; SELECT revision FROM {table} FOR UPDATE")).await;
        outsider
    }
}

impl Server for Postgres {
    const CONNECTIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";
    const IN_TRANSACTION: &str = "SELECT count(*) FROM pg_stat_activity \
         WHERE usename = 'app' AND state LIKE 'idle in transaction%'";
    const WAITING: &str = "SELECT count(*) FROM pg_stat_activity \
         WHERE usename = 'app' AND wait_event_type = 'Lock'";

    fn url(&self) -> String {
        self.url()
    }

    fn address(&self) -> SocketAddr {
        self.address()
    }

    fn pause(&self) {
        self.pause();
    }

    fn resume(&self) {
        self.resume();
    }

    fn kill(&self) {
        self.kill();
    }

    async fn restart(&self) {
        self.restart().await;
    }

    async fn ask(&self, sql: &str) -> String {
        self.query(sql).await
    }

    async fn read_only(&self, read_only: bool) {
        self.read_only(read_only).await;
    }

    async fn terminate(&self) -> usize {
        self.terminate_backends().await
    }
}

impl Server for MariaDb {
    const CONNECTIONS: &str =
        "SELECT count(*) FROM information_schema.processlist WHERE user = 'app'";
    // What this table tells is not refreshed while somebody reads it more often than that.
    const IN_TRANSACTION: &str = "DO SLEEP(0.11); \
         SELECT count(*) FROM information_schema.innodb_trx \
         JOIN information_schema.processlist ON id = trx_mysql_thread_id \
         WHERE user = 'app' AND command = 'Sleep'";
    const WAITING: &str = "SELECT variable_value FROM information_schema.global_status \
         WHERE variable_name = 'INNODB_ROW_LOCK_CURRENT_WAITS'";

    fn url(&self) -> String {
        self.url()
    }

    fn address(&self) -> SocketAddr {
        self.address()
    }

    fn pause(&self) {
        self.pause();
    }

    fn resume(&self) {
        self.resume();
    }

    fn kill(&self) {
        self.kill();
    }

    async fn restart(&self) {
        self.restart().await;
    }

    async fn ask(&self, sql: &str) -> String {
        self.query(sql).await
    }

    async fn read_only(&self, read_only: bool) {
        self.read_only(read_only).await;
    }

    async fn terminate(&self) -> usize {
        self.terminate_connections().await
    }
}
