//! A configuration that is changed while the portal runs.

use serde_json::json;
use tokio::time::Duration;

use crate::configured::Configured;
use crate::frameworks::Framework;
use crate::patience::until;

const CONFIG: &str = "\
[session]
store = \"main\"
idle_timeout = \"30m\"
cookie = { name = \"id\", secure = false }
[stores.main]
kind = \"memory\"
";

/// Tells the portal to read its configuration again, and waits until it says so often that it has.
async fn reload(configured: &Configured, said: &str, times: usize) {
    configured.portal.signal("HUP").await;
    until(said, async || configured.log.text().matches(said).count() == times).await;
}

const HOLDS: &str = "holds from now on";
const REFUSED: &str = "nothing was changed";

pub(crate) async fn a_new_policy_holds_without_a_restart(on: Framework) {
    let configured = Configured::start_on(on, CONFIG, &[]).await;
    let mut client = configured.portal.signed_in("u1001").await;
    let mut slow = client.clone();
    // Begun before, and finished after.
    let writing =
        tokio::spawn(async move { slow.post_json("/api/slow?name=slow&ms=1000", &json!(1)).await });
    crate::patience::until_loaded(&mut client, 1).await;

    let newer = CONFIG
        .replace("30m", "5m")
        .replace("secure = false", "secure = false, same_site = \"strict\"");
    configured.write(&newer);
    reload(&configured, HOLDS, 1).await;
    let answer = client.post("/api/rotate").await.expect(204);
    let cookie = answer.set_cookie().expect("a cookie").to_owned();
    assert!(cookie.contains("SameSite=Strict"), "{cookie}");
    let me = client.get("/api/me").await.expect(200).json();
    let lives = |me: &serde_json::Value| {
        let time = |name: &str| {
            humantime::parse_rfc3339(me[name].as_str().expect("a time")).expect("a time")
        };
        time("idle_deadline").duration_since(time("authenticated_at")).expect("an order")
    };
    assert!(lives(&me) < Duration::from_secs(6 * 60), "{me}");
    writing.await.expect("no panic");

    // What is wrong, or cannot change, changes nothing, and nobody notices.
    configured.write(&newer.replace("5m", "soon"));
    reload(&configured, REFUSED, 1).await;
    configured.write(&newer.replace("kind = \"memory\"", "kind = \"memory\"\nmax_sessions = 7"));
    reload(&configured, REFUSED, 2).await;
    let log = configured.log.text();
    assert!(
        log.contains("session.idle_timeout") && log.contains("stores.main.max_sessions"),
        "{log}"
    );
    client.get("/api/me").await.expect(200);
    configured.write(CONFIG);
    reload(&configured, HOLDS, 2).await;
    assert_eq!(configured.portal.stopped().await.0.code(), Some(0));
}
