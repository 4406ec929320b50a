//! The HTTP script on every topology.

use std::sync::Arc;

use session_testkit::http::{Target, scenarios};
use session_testkit::servers::{Cluster, Redis, Sentinel};
use tokio::sync::Semaphore;

use super::{PATIENT, config_for, samples};
use crate::configured::{Configured, UNDISTURBED, until_ready};
use crate::process::{DEADLINE, Portal};

/// A server and a portal for each scenario.
pub(crate) struct Server {
    target: Target,
    _configured: Configured,
    _redis: Redis,
}

impl Server {
    pub(crate) async fn start(config: impl FnOnce(&Redis) -> String) -> Self {
        let redis = Redis::start().await;
        let configured = Configured::start(&config(&redis)).await;
        Self { target: target(&configured.portal), _configured: configured, _redis: redis }
    }
}

impl AsRef<Target> for Server {
    fn as_ref(&self) -> &Target {
        &self.target
    }
}

mod single {
    use super::{Server, config_for};

    async fn server() -> Server {
        Server::start(config_for).await
    }

    session_testkit::http_tests!(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_holds_on_sentinel() {
    let sentinel = Sentinel::builder().down_after(UNDISTURBED).start().await;
    play_on(&samples::sentinel_sample(&sentinel)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_holds_on_a_cluster() {
    let cluster = Cluster::builder().node_timeout(UNDISTURBED).start().await;
    play_on(&samples::cluster_sample(&cluster)).await;
}

const PATIENT_WITH_REPLICAS: (&str, &str) = ("SESSION__STORES__MAIN__WAIT__TIMEOUT", "10s");

fn target(portal: &Portal) -> Target {
    Target::new(portal.address(), "id").with_schedules(100)
}

pub(crate) async fn play_on(config: &str) {
    let waits = config.contains("wait = ").then_some(PATIENT_WITH_REPLICAS);
    let patient: Vec<_> = waits.into_iter().chain([PATIENT]).collect();
    let configured = Configured::start_with(config, &patient).await;
    until_ready(&configured.portal, DEADLINE).await;
    play_all(&target(&configured.portal)).await;
}

/// Some scenarios at a time: they leave each other alone, and most of the slow ones only wait.
async fn play_all(target: &Target) {
    const AT_A_TIME: usize = 3;
    let turns = Arc::new(Semaphore::new(AT_A_TIME));
    let mut playing = Vec::new();
    for scenario in scenarios::all() {
        let turn = Arc::clone(&turns).acquire_owned().await.expect("turns go on");
        let target = target.clone();
        let played = tokio::spawn(async move {
            scenario.play(&target).await;
            drop(turn);
        });
        playing.push((scenario.name(), played));
    }
    let mut failed = Vec::new();
    for (name, played) in playing {
        if played.await.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{} scenarios failed: {}", failed.len(), failed.join(", "));
}
