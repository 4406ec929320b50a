//! The portal with a cache in front of Redis: what it may know late, and for how long at most.

mod down_at_start;
mod outage;
mod samples;
mod script;
mod shutdown;
mod two_nodes;

use session_testkit::servers::Redis;
use tokio::time::Duration;

use crate::client::{Answer, Client};
use crate::configured::expect_outage;
use crate::patience::until;
use crate::redis::config_for;

/// `max_staleness`, where a configuration does not say anything else.
const D: Duration = Duration::from_secs(2);

/// A configuration with a cache in front of its store.
pub(crate) fn cached(config: &str) -> String {
    let main = "store = \"main\"";
    assert_eq!(config.matches(main).count(), 1, "{config}");
    let config = config.replace(main, "store = \"front\"");
    format!("{config}\n[stores.front]\nkind = \"layered\"\nshared = \"main\"\n")
}

fn cached_config_for(redis: &Redis) -> String {
    cached(&config_for(redis))
}

fn source(answer: &Answer) -> &str {
    answer.header("x-session-source")
}

/// Waits until the cache answers; a store that is late is asked again.
pub(crate) async fn until_local(client: &mut Client) {
    until("a session is answered from the cache", async || {
        let answer = client.get("/api/me").await;
        if answer.status == 200 {
            return source(&answer.expect_no_cookie()) == "local";
        }
        expect_outage(answer).status == 200
    })
    .await;
}

/// The value of a metric without labels.
async fn metric(client: &mut Client, name: &str) -> f64 {
    let text = client.get("/metrics").await.expect(200).text();
    let value = text.lines().find_map(|line| {
        let (found, value) = line.split_once(' ')?;
        (found == name).then(|| value.parse().expect("a number"))
    });
    value.unwrap_or_else(|| panic!("{name} is not in\n{text}"))
}
