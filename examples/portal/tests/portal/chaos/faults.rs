//! What goes wrong.

use std::fmt;

use fastrand::Rng;
use session_testkit::proxy::{Direction, Fault};
use tokio::time::{Duration, Instant, sleep};

use super::history::History;
use super::site::Site;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A node does not run for a while (SIGSTOP).
    NodeStopped,
    /// Redis does not run for a while.
    RedisStopped,
    /// Redis is killed, and started again.
    RedisKilled,
    /// Redis loses all that it has.
    Flushed,
    /// Redis closes the connections on which nodes listen, several times.
    SubscriptionsKilled,
    /// Redis does so because a node does not read as fast as it is told of changes.
    SubscriptionsOverrun,
    /// What goes one way on a node's subscription does not arrive; everything else does.
    SubscriptionSilent(Direction),
    /// A node hears of changes late.
    SubscriptionSlow,
    /// Calls of a node take long, and so does what it is answered.
    CallsSlow,
    /// All that a node says and hears takes long.
    AllSlow,
    /// A node's calls are not answered, and it hears of changes.
    CallsSilent(Direction),
    /// Nothing of what a node says or hears arrives.
    NodeCutOff,
}

impl Kind {
    pub(super) const ALL: [Self; 15] = [
        Self::NodeStopped,
        Self::RedisStopped,
        Self::RedisKilled,
        Self::Flushed,
        Self::SubscriptionsKilled,
        Self::SubscriptionsOverrun,
        Self::SubscriptionSilent(Direction::ToClient),
        Self::SubscriptionSilent(Direction::ToServer),
        Self::SubscriptionSilent(Direction::Both),
        Self::SubscriptionSlow,
        Self::CallsSlow,
        Self::AllSlow,
        Self::CallsSilent(Direction::ToClient),
        Self::CallsSilent(Direction::ToServer),
        Self::NodeCutOff,
    ];

    /// Has it happen to one of the nodes, and be over.
    pub(super) async fn strike(self, site: &Site, history: &History, rng: &mut Rng) {
        let node = &site.nodes[rng.usize(..site.nodes.len())];
        // Shorter than the bound on staleness, longer, and longer than nodes wait for an echo.
        let length = Duration::from_millis(rng.u64(300..1_200));
        let delay = Fault::Delay(Duration::from_millis(rng.u64(20..150)));
        match self {
            Self::NodeStopped => {
                node.configured.portal.signal("STOP").await;
                sleep(length).await;
                node.configured.portal.signal("CONT").await;
            }
            Self::RedisStopped => {
                site.redis.pause();
                sleep(length).await;
                site.redis.resume();
            }
            Self::RedisKilled => {
                site.redis.kill();
                sleep(length / 4).await;
                site.redis.restart().await;
            }
            Self::Flushed => {
                let begun = Instant::now();
                site.redis.command(&["FLUSHALL"]).await;
                history.flooded(begun, Instant::now());
            }
            Self::SubscriptionsKilled => {
                for _ in 0..rng.u32(1..6) {
                    site.redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
                    sleep(Duration::from_millis(rng.u64(50..250))).await;
                }
            }
            Self::SubscriptionsOverrun => overrun(site, rng).await,
            Self::SubscriptionSilent(direction) => {
                let concerned = site.subscriptions().await;
                node.proxy.set_on(&concerned, Fault::Blackhole(direction)).await;
                sleep(length).await;
                node.proxy.heal().await;
            }
            Self::CallsSilent(direction) => {
                let concerned = site.command_connections().await;
                node.proxy.set_on(&concerned, Fault::Blackhole(direction)).await;
                sleep(length).await;
                node.proxy.heal().await;
            }
            Self::SubscriptionSlow => {
                let delay = Fault::Delay(Duration::from_millis(rng.u64(50..600)));
                node.proxy.set_on(&site.subscriptions().await, delay).await;
                sleep(length).await;
                node.proxy.heal().await;
            }
            Self::CallsSlow => {
                node.proxy.set_on(&site.command_connections().await, delay).await;
                sleep(length).await;
                node.proxy.heal().await;
            }
            Self::AllSlow | Self::NodeCutOff => {
                let cut_off = Fault::Blackhole(Direction::Both);
                node.proxy.set(if self == Self::AllSlow { delay } else { cut_off }).await;
                sleep(length).await;
                node.proxy.heal().await;
            }
        }
    }
}

/// Hardly anything may wait to be read, and then all at once does.
async fn overrun(site: &Site, rng: &mut Rng) {
    const LIMIT: [&str; 3] = ["CONFIG", "SET", "client-output-buffer-limit"];
    /// More than a connection holds beside what is limited.
    const BURST: &str = "for _ = 1, 2000 do redis.call('PUBLISH', ARGV[1], ARGV[2]) end";

    let channels: Vec<String> =
        site.redis.query(&["PUBSUB", "CHANNELS"]).await.expect("a list of channels");
    site.redis.command(&[&LIMIT[..], &["pubsub 1kb 1kb 1"]].concat()).await;
    // Of no session, in the form of an announcement: version, partition, digest.
    let removal = format!("\u{1}{}", "x".repeat(34));
    for _ in 0..rng.u32(1..4) {
        for changes in channels.iter().filter(|channel| !channel.contains(":echo:")) {
            site.redis.command(&["EVAL", BURST, "0", changes, &removal]).await;
        }
        sleep(Duration::from_millis(rng.u64(100..400))).await;
    }
    site.redis.command(&[&LIMIT[..], &["pubsub 32mb 8mb 60"]].concat()).await;
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = |direction| match direction {
            Direction::ToServer => "to Redis",
            Direction::ToClient => "from Redis",
            Direction::Both => "both ways",
        };
        match self {
            Self::NodeStopped => f.pad("node stopped"),
            Self::RedisStopped => f.pad("Redis stopped"),
            Self::RedisKilled => f.pad("Redis killed, restarted"),
            Self::Flushed => f.pad("FLUSHALL"),
            Self::SubscriptionsKilled => f.pad("subscriptions killed"),
            Self::SubscriptionsOverrun => f.pad("subscriptions overrun"),
            Self::SubscriptionSilent(direction) => {
                f.pad(&format!("subscription cut {}", way(*direction)))
            }
            Self::SubscriptionSlow => f.pad("subscription slow"),
            Self::CallsSlow => f.pad("calls slow"),
            Self::AllSlow => f.pad("all of a node slow"),
            Self::CallsSilent(direction) => f.pad(&format!("calls cut {}", way(*direction))),
            Self::NodeCutOff => f.pad("node cut off"),
        }
    }
}
