//! The configurations that are promised to work as they stand, but for time enough for a busy machine.

use session_testkit::servers::{Cluster, Redis, Sentinel};

use super::{cached, metric, source, until_local};
use crate::configured::{Configured, UNDISTURBED, until_ready};
use crate::patience::until;
use crate::process::DEADLINE;
use crate::redis::samples::{cluster_sample, sentinel_sample};

const SAMPLE: &str = r#"
[session]
store = "front"
[stores.front]
kind = "layered"
shared = "redis"
local = { max_bytes = "64MiB", ttl = "30s" }
max_staleness = "2s"
[stores.redis]
kind = "redis"
url = "${REDIS_URL}"
namespace = "portal"
"#;

/// What happens is of interest here, not how fast.
const PATIENT: (&str, &str) = ("SESSION__STORES__REDIS__TIMEOUT", "10s");

const OF_THE_PORTAL: &str = include_str!("../../../layered.toml");

#[tokio::test]
async fn the_samples_work_as_they_stand() {
    for sample in [SAMPLE, OF_THE_PORTAL] {
        let redis = Redis::start().await;
        let url = redis.url();
        let environment = [("REDIS_URL", url.as_str()), PATIENT];
        let configured = Configured::start_with(sample, &environment).await;
        let mut client = configured.portal.client();
        until("there is a lease", async || {
            metric(&mut client, "session_cache_lease_seconds").await > 0.0
        })
        .await;
        client.log_in("u1001").await;
        client.get("/api/me").await.expect(200);
        let second = client.get("/api/me").await.expect(200);
        assert_eq!(source(&second), "local", "{second}");
        let strong = client.get("/api/me?consistency=strong").await.expect(200);
        assert_eq!(source(&strong), "shared", "{strong}");
        assert_eq!(strong.json(), second.json());
        client.post("/api/logout").await.expect(204);
        client.get("/api/me").await.expect_error(401, "no_session");
    }
}

#[tokio::test]
async fn the_cache_reports_what_it_does() {
    let redis = Redis::start().await;
    let url = redis.url();
    let environment = [("REDIS_URL", url.as_str()), PATIENT];
    let configured = Configured::start_with(SAMPLE, &environment).await;
    let mut client = configured.portal.signed_in("u1001").await;
    until_local(&mut client).await;
    client.get("/api/me?consistency=strong").await.expect(200);
    client.post("/api/logout").await.expect(204);
    client.get("/api/me").await.expect(401);

    let text = client.get("/metrics").await.expect(200).text();
    for name in [
        r#"session_cache_reads_total{session_cache_result="hit"} "#,
        r#"session_cache_reads_total{session_cache_result="missed"} "#,
        r#"session_cache_reads_total{session_cache_result="unleased"} "#,
        r#"session_cache_reads_total{session_cache_result="strong"} "#,
        r#"session_cache_fills_total{session_cache_result="stored"} "#,
        r#"session_cache_changes_total{session_cache_result="evicted"} "#,
        r#"session_cache_touches_total{session_cache_result="queued"} "#,
        "session_cache_joined_total ",
        "session_cache_subscriptions_total ",
        "session_cache_epochs_total ",
        "session_cache_echoes_failed_total ",
        "session_cache_risen_total ",
        "session_cache_entries ",
        "session_cache_size_bytes ",
        "session_cache_touches_waiting ",
        "session_cache_lease_seconds ",
        r#"session_cache_lanes{session_cache_state="leased"} 1"#,
        r#"session_store_operation_duration_seconds_count{session_backend="layered","#,
        r#"session_store_operation_duration_seconds_count{session_backend="redis","#,
        r#"session_loads_total{session_outcome="found",session_source="local"} "#,
        "session_cache_invalidation_lag_seconds_count ",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name}\n{text}");
    }
    assert!(!text.contains("u1001"), "{text}");
}

#[tokio::test]
async fn a_cache_works_on_every_topology() {
    let sentinel = Sentinel::builder().down_after(UNDISTURBED).start().await;
    let cluster = Cluster::builder().node_timeout(UNDISTURBED).start().await;
    for config in [sentinel_sample(&sentinel), cluster_sample(&cluster)] {
        let configured = Configured::start(&cached(&config)).await;
        until_ready(&configured.portal, DEADLINE).await;
        let mut client = configured.portal.client();
        crate::configured::until_signed_in(&mut client).await;
        until_local(&mut client).await;
    }
}
