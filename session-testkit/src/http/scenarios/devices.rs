//! A user's sessions: the list, and signing some of them out.

use serde_json::Value;

use super::super::random;
use super::super::{Browser, Request, Target};
use super::routes::{self, STRANGE_HANDLE};

/// Every session of the user is listed, with what it is known by, and no other one. Exactly one is
/// marked as the current one, and that is the asker's.
pub async fn devices_are_listed(target: &Target) {
    let user = random::user();
    let mut browsers = Vec::new();
    for agent in ["Netscape/4.8 (BeOS)", "curl/8.0", "Lynx/2.9"] {
        let mut browser = target.browser();
        browser.send(routes::log_in(&user).header("user-agent", agent)).await.expect(200);
        browsers.push((browser, agent));
    }
    target.signed_in().await;
    let mut lists = Vec::new();
    for (browser, agent) in &mut browsers {
        let me = browser.get("/api/me").await.expect(200);
        let devices = devices(browser).await;
        assert_eq!(devices.len(), 3, "the devices are {devices:?}");
        let current: Vec<&Value> =
            devices.iter().filter(|device| device["current"] == true).collect();
        assert_eq!(current.len(), 1, "the current ones of {devices:?}");
        let current = current[0];
        assert_eq!(current["handle"], me.member("handle"));
        assert_eq!(current["created_at"], me.member("created_at"));
        assert_eq!(current["user_agent"], *agent);
        let address = current["address"].as_str().unwrap_or_default();
        let expected =
            target.address().ip().is_loopback().then(|| target.address().ip().to_string());
        let known = expected.is_none_or(|expected| address.contains(&expected));
        assert!(known && !address.is_empty(), "the address of {current}");
        assert!(current["last_seen_at"].is_string(), "the last use of {current}");
        let mut handles: Vec<String> =
            devices.iter().map(|device| device["handle"].to_string()).collect();
        handles.sort();
        handles.dedup();
        assert_eq!(handles.len(), 3, "the handles of {devices:?}");
        lists.push(handles);
    }
    assert!(lists.windows(2).all(|pair| pair[0] == pair[1]), "the lists differ: {lists:?}");
}

/// A user signs out one of his devices: that one is dead, the others are not.
pub async fn device_is_revoked(target: &Target) {
    let [mut kept, mut lost, mut other] = three_devices(target).await;
    let handle = lost.me().await.text_member("handle");
    let token = lost.live_token();
    kept.delete(&format!("/api/devices/{handle}")).await.expect(204);
    lost.expect_dead(&token).await;
    kept.me().await;
    other.me().await;
    assert_eq!(devices(&mut kept).await.len(), 2);
    kept.delete(&format!("/api/devices/{handle}")).await.expect_error(404, "not_found");
    assert_eq!(devices(&mut kept).await.len(), 2);

    let handle = kept.me().await.text_member("handle");
    let token = kept.live_token();
    kept.delete(&format!("/api/devices/{handle}")).await.expect(204);
    kept.expect_dead(&token).await;
    other.me().await;
}

/// Nobody signs out somebody else by naming his device, however he came by the name (better-auth
/// CVE-2025-71402); and a name that is none is not found.
pub async fn devices_of_others_cannot_be_revoked(target: &Target) {
    let mut victim = target.signed_in().await;
    let handle = victim.me().await.text_member("handle");
    let mut attacker = target.signed_in().await;
    let own = attacker.me().await.text_member("handle");
    let (user, token) = (victim.user().to_owned(), victim.live_token());
    let handles =
        [&handle, STRANGE_HANDLE, "x", "*", "%7Btag%7D", "..%2F..", &own[1..], &user, &token];
    for named in handles {
        let path = format!("/api/devices/{named}");
        attacker.delete(&path).await.expect_error(404, "not_found").expect_no_cookie();
        target.browser().delete(&path).await;
        victim.me().await;
        attacker.me().await;
    }
    let path = format!("/api/devices/{handle}");
    target.browser().delete(&path).await.expect_anonymous();
    victim.me().await;
}

/// A user signs out all devices but this one: how many those were, and who remains.
pub async fn other_devices_are_revoked(target: &Target) {
    let [mut kept, mut one, mut two] = three_devices(target).await;
    let mut bystander = target.signed_in().await;
    let tokens = [one.live_token(), two.live_token()];
    let response = kept.send(Request::post("/api/devices/revoke-others")).await.expect(200);
    assert_eq!(response.number_member("revoked"), 2, "how many in {response}");
    one.expect_dead(&tokens[0]).await;
    two.expect_dead(&tokens[1]).await;
    kept.me().await;
    bystander.me().await;
    assert_eq!(devices(&mut kept).await.len(), 1);
    let response = kept.post("/api/devices/revoke-others").await.expect(200);
    assert_eq!(response.number_member("revoked"), 0, "how many in {response}");
    for path in ["/api/devices/revoke-others", "/api/devices/revoke-all"] {
        target.browser().post(path).await.expect_anonymous().expect_no_cookie();
    }
}

/// A user signs out everywhere: this one too, and nobody else's.
pub async fn all_devices_are_revoked(target: &Target) {
    let [mut one, mut two, mut three] = three_devices(target).await;
    let mut bystander = target.signed_in().await;
    let tokens = [one.live_token(), two.live_token(), three.live_token()];
    let response = one.post("/api/devices/revoke-all").await.expect(200);
    assert_eq!(response.number_member("revoked"), 3, "how many in {response}");
    for (browser, token) in [&mut one, &mut two, &mut three].into_iter().zip(&tokens) {
        browser.expect_dead(token).await;
    }
    bystander.me().await;
    let user = two.user().to_owned();
    two.log_in(&user).await;
    assert_eq!(devices(&mut two).await.len(), 1);
}

async fn three_devices(target: &Target) -> [Browser; 3] {
    let user = random::user();
    let mut browsers = [target.browser(), target.browser(), target.browser()];
    for browser in &mut browsers {
        browser.log_in(&user).await;
    }
    browsers
}

async fn devices(browser: &mut Browser) -> Vec<Value> {
    let response = browser.get("/api/devices").await.expect(200);
    let devices = response.json().as_array().cloned();
    devices.unwrap_or_else(|| panic!("no list in {response}"))
}
