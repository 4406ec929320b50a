//! Two portals with the same sessions.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use crate::client::Client;
use crate::configured::Configured;

const TASKS: usize = 64;
const INCREMENTS: usize = 20;
pub(crate) const TOTAL: u64 = (TASKS * INCREMENTS) as u64;

pub(crate) async fn two_portals(config: &str) -> [Configured; 2] {
    // Dozens of requests at once, on a machine that others use too, need not all be fast.
    let patient = [("SESSION__STORES__MAIN__TIMEOUT", "10s")];
    [Configured::start_with(config, &patient).await, Configured::start_with(config, &patient).await]
}

/// The same cookie, sent to another portal.
pub(crate) fn same_person(client: &Client, configured: &Configured) -> Client {
    let mut same = configured.portal.client();
    same.set_cookie(client.cookie().expect("a cookie"));
    same
}

/// Counts to [`TOTAL`], half on each.
pub(crate) async fn count(a: &Client, b: &Client) {
    increments("/api/counter", 204, a, b).await;
}

/// Counts [`TOTAL`] further, half on each; every value on the way is returned once.
pub(crate) async fn count_now(a: &Client, b: &Client) {
    let values = increments("/api/counter/now", 200, a, b).await;
    let values: BTreeSet<u64> = values.into_iter().flatten().collect();
    assert_eq!(values, (TOTAL + 1..=2 * TOTAL).collect(), "each value is returned once");
}

/// Half of the tasks ask the one portal, half the other. Returns what they were told, if anything.
async fn increments(path: &'static str, status: u16, a: &Client, b: &Client) -> Vec<Option<u64>> {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let mut client = if task % 2 == 0 { a.clone() } else { b.clone() };
        tasks.spawn(async move {
            let mut values = Vec::with_capacity(INCREMENTS);
            for _ in 0..INCREMENTS {
                let answer = client.post(path).await.expect(status).expect_no_cookie();
                values.push((status == 200).then(|| answer.json()["value"].as_u64()).flatten());
            }
            values
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}
