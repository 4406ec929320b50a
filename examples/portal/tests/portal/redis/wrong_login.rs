//! Redis is there, and will have nothing to do with us.

use session_testkit::servers::{Certificates, Redis};

use super::config_at;
use crate::configured::{Configured, RECOVERY, expect_outage, until_ready};
use crate::process::{DEADLINE, Directory};

/// Part of each secret here, which nobody may ever read again.
const SECRET: &str = "geheim";

/// Starts a portal that cannot get at its sessions, and returns why, as `/readyz` has it.
async fn unready(place: &str, redis: &Redis) -> String {
    let configured = Configured::start(&config_at(place)).await;
    let mut client = configured.portal.client();
    let answer = expect_outage(client.get("/readyz").await);
    let reason = answer.json()["message"].as_str().unwrap_or_default().to_owned();
    let mut told = answer.to_string();
    for path in ["/api/counter", "/api/counter/now"] {
        told.push_str(&expect_outage(client.post(path).await).to_string());
    }
    // Without the numbers, among whose digits may be anything.
    for line in client.get("/metrics").await.expect(200).text().lines() {
        let number = if line.starts_with('#') { None } else { line.rsplit_once(' ') };
        told.push_str(number.map_or(line, |(name, _)| name));
    }
    assert!(!told.contains(&redis.port().to_string()), "an address in {told}");

    let log = configured.log.text();
    assert!(log.contains("a session could not be"), "the operator is told why: {log}");
    println!("{reason}\n{}", log.lines().next().unwrap_or_default());
    let (status, output) = configured.portal.stopped().await;
    assert_eq!(status.code(), Some(0));
    for text in [told, log, output] {
        assert!(!text.contains(SECRET), "a secret in {text}");
    }
    reason
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let redis = Redis::builder().config("requirepass", "geheim-right").start().await;
    let address = redis.address();
    for (place, code) in [
        (format!("url = \"redis://:geheim-wrong@{address}\""), "WRONGPASS"),
        (format!("url = \"redis://geheim-user:geheim-right@{address}\""), "WRONGPASS"),
        (format!("url = \"redis://{address}\"\npassword = \"geheim-wrong\""), "WRONGPASS"),
        (format!("url = \"redis://{address}\""), "NOAUTH"),
    ] {
        let reason = unready(&place, &redis).await;
        assert!(reason.contains(code), "{place}: {reason}");
    }
    let right = config_at(&format!("url = \"redis://{address}\"\npassword = \"geheim-right\""));
    until_ready(&Configured::start(&right).await.portal, DEADLINE).await;
}

#[tokio::test]
async fn it_is_ready_once_the_password_is_right() {
    let redis = Redis::builder().config("requirepass", "another").start().await;
    let url = format!("url = \"redis://:geheim@{}\"", redis.address());
    let configured = Configured::start(&config_at(&url)).await;
    expect_outage(configured.portal.client().get("/readyz").await);
    redis.command(&["CONFIG", "SET", "requirepass", "geheim"]).await;
    until_ready(&configured.portal, RECOVERY).await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told() {
    let redis = Redis::start().await;
    let reason = unready(&format!("url = \"redis://{}/99\"", redis.address()), &redis).await;
    assert!(reason.contains("refuses"), "{reason}");
}

#[tokio::test]
async fn tls_that_does_not_match_is_told() {
    let redis = Redis::builder().tls().config("requirepass", "geheim").start().await;
    let certificates = redis.certificates().expect("a server with TLS");
    let directory = Directory::new();
    let file = |name: &str, pem: &str| format!("{:?}", directory.write(name, pem));
    let ca = file("ca.pem", &certificates.ca);
    let strangers = file("strangers.pem", &Certificates::generate().ca);
    let certificate = file("client.pem", &certificates.client_cert);
    let key = file("client.key", &certificates.client_key);
    let at = format!(":geheim@{}", redis.address());
    let client = format!("certificate = {certificate}, key = {key}");

    let plain = Redis::builder().config("requirepass", "geheim").start().await;
    for (place, server) in [
        (format!("url = \"redis://{at}\""), &redis),
        (format!("url = \"rediss://{at}\"\ntls = {{ roots = {strangers}, {client} }}"), &redis),
        (format!("url = \"rediss://{at}\"\ntls = {{ roots = {ca} }}"), &redis),
        (
            format!("url = \"rediss://:geheim@{}\"\ntls = {{ roots = {ca} }}", plain.address()),
            &plain,
        ),
    ] {
        let reason = unready(&place, server).await;
        assert!(reason.contains("the session store"), "{reason}");
    }

    let right = format!("url = \"rediss://{at}\"\ntls = {{ roots = {ca}, {client} }}");
    let configured = Configured::start(&config_at(&right)).await;
    until_ready(&configured.portal, RECOVERY).await;
    configured.portal.signed_in("u1001").await.post("/api/logout").await.expect(204);
}
