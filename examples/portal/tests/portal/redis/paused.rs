//! Redis is there, and answers nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use session_testkit::servers::Redis;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, interval};

use super::load::{Load, statuses};
use super::{config_for, in_a_hurry};
use crate::client::Client;
use crate::configured::{Configured, RECOVERY, expect_outage, until_ready};
use crate::patience::until;

/// The deadline of a call, and as much again for whoever has to wait for a processor. A machine that
/// stands still for longer is seen by the control.
const ANSWERED: Duration = Duration::from_secs(1);

/// After this, nobody waits for a server that does not answer: the first calls, the question
/// whether anybody is there, and the first attempt at a new connection are over.
const NOTICED: Duration = Duration::from_millis(2_000);

/// How soon requests are answered then, most of them at least.
const AT_ONCE: Duration = Duration::from_millis(100);

const PAUSE: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_refused_in_time_and_then_at_once() {
    let redis = Redis::start().await;
    let configured = Configured::start(&in_a_hurry(&config_for(&redis))).await;
    let portal = &configured.portal;
    let mut bystander = portal.signed_in("bystander").await;
    let load = Load::start(portal, 16).await;
    let control = Control::start(portal.client());
    let connections = connections(&redis).await;

    redis.pause();
    let paused = Instant::now();
    expect_outage(bystander.post("/api/logout").await);
    expect_outage(portal.client().get("/readyz").await);
    until("Redis was away for long enough", async || paused.elapsed() > PAUSE).await;
    expect_outage(bystander.post("/api/logout").await);

    redis.resume();
    let back = Instant::now();
    let recovery = load.until_recovered(back, RECOVERY).await;
    let ready = until_ready(portal, RECOVERY).await;
    let seen = load.stop().await;
    bystander.get("/api/me").await.expect(200);
    bystander.post("/api/logout").await.expect(204);

    let slowest = seen.iter().max_by_key(|seen| seen.took).expect("answers");
    let stalled = control.stop().await;
    assert!(stalled < PAUSE / 2, "what needs no session was answered after {stalled:?}");
    assert!(slowest.took < ANSWERED + stalled, "{slowest:?}, and without sessions {stalled:?}");
    let away = |from: Duration| {
        let during =
            seen.iter().filter(move |seen| seen.begun > paused + from && seen.ended() < back);
        during.copied().collect::<Vec<_>>()
    };
    let mut late: Vec<Duration> = away(NOTICED).iter().map(|seen| seen.took).collect();
    late.sort_unstable();
    let most = late[late.len() * 9 / 10];
    assert!(most < AT_ONCE, "a tenth of {} take {most:?} or longer", late.len());
    let slow = seen.iter().filter(|seen| seen.begun < back && seen.took > AT_ONCE);
    let last_slow = slow.map(|seen| seen.begun - paused).max().unwrap_or_default();
    let reconnects = self::connections(&redis).await - connections;
    println!(
        "away: {:?}, slowest {:?}, the last slow one begun after {last_slow:?}; from {NOTICED:?} on: {} answers, 90 % within {most:?}, all \
         within {:?}; recovered {recovery:?}, ready {ready:?} after that; {reconnects} connections",
        statuses(&away(Duration::ZERO)),
        slowest.took,
        late.len(),
        late.last(),
    );
    assert!(reconnects < 30, "{reconnects} connections in {PAUSE:?}");
}

/// Somebody who asks for what needs no session: whatever that takes, the machine was busy.
struct Control {
    is_over: Arc<AtomicBool>,
    slowest: JoinHandle<Duration>,
}

impl Control {
    fn start(mut client: Client) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let slowest = tokio::spawn(async move {
            let mut slowest = Duration::ZERO;
            let mut ticks = interval(Duration::from_millis(10));
            while !over.load(Ordering::Relaxed) {
                ticks.tick().await;
                let asked = Instant::now();
                client.get("/api/plain").await.expect(200);
                slowest = slowest.max(asked.elapsed());
            }
            slowest
        });
        Self { is_over, slowest }
    }

    /// The longest that an answer took.
    async fn stop(self) -> Duration {
        self.is_over.store(true, Ordering::Relaxed);
        self.slowest.await.expect("answers")
    }
}

/// How many were ever made.
async fn connections(redis: &Redis) -> u64 {
    redis.info("stats").await["total_connections_received"].parse().expect("a number")
}
