//! Ids that somebody else has chosen, or knows.

use std::time::Duration;

use serde_json::json;

use super::super::tasks::all;
use super::super::{Request, Response, Target, random};

/// How many requests a flood has.
const FLOOD: usize = 1_000;

/// Over how many connections it comes.
const LANES: usize = 8;

/// Session fixation: the attacker plants the id of a session of his in the victim's browser. The
/// victim signs in, and the attacker has nothing of it (row 2).
pub async fn planted_id_is_dead_after_log_in(target: &Target) {
    let mut attacker = target.browser();
    attacker.store("planted", &json!(true)).await;
    let planted = attacker.live_token();

    let mut victim = target.browser().with_token(&planted);
    let given = victim.log_in(&random::user()).await.new_token();
    assert_ne!(given, planted, "the id of a signed-in session is the planted one");
    attacker.expect_dead(&planted).await;
    attacker.set_token(&planted);
    assert_eq!(attacker.stored("planted").await, None, "the planted session is still there");
    victim.me().await;

    let unknown = random::token();
    let mut victim = target.browser().with_token(&unknown);
    let given = victim.log_in(&random::user()).await.new_token();
    assert_ne!(given, unknown, "the id of a signed-in session is the planted one");
    attacker.expect_dead(&unknown).await;
}

/// Signing in again, as who one is already, gives a new id too: whoever has copied the old one is
/// out (row 2; Graylog GHSA-3xf8-g8gr-g7rh, aiohttp-session CVE-2018-1000519).
pub async fn log_in_again_moves_the_session(target: &Target) {
    let mut browser = target.signed_in().await;
    browser.store("kept", &json!(1)).await;
    let before = browser.me().await;
    let mut thief = browser.twin();
    let (old, user) = (browser.live_token(), browser.user().to_owned());
    assert_ne!(browser.log_in(&user).await.new_token(), old, "the id after another log-in");

    thief.expect_dead(&old).await;
    let after = browser.me().await;
    assert!(after.time_member("authenticated_at") >= before.time_member("authenticated_at"));
    assert_eq!(browser.stored("kept").await, Some(json!(1)));
    let devices = browser.get("/api/devices").await.expect(200).json();
    assert_eq!(devices.as_array().map(Vec::len), Some(1), "the devices are {devices}");
}

/// Another user who signs in at the same browser gets a session of his own: nothing that the first
/// one stored or arranged, and the first one's cookie is dead (row 2).
pub async fn other_user_inherits_nothing(target: &Target) {
    let usual = target.signed_in().await.me().await;
    let mut browser = target.signed_in().await;
    let (old, anna) = (browser.live_token(), browser.user().to_owned());
    browser.store("secret", &json!("of the first user")).await;
    browser.post("/api/counter").await.expect(204);
    let hour = 3_600_000_u64;
    let timeouts = json!({ "idle_ms": 1_000 * hour, "absolute_ms": 9_000 * hour });
    browser.put("/api/timeouts", &timeouts).await.expect(204);

    assert_ne!(browser.log_in(&random::user()).await.new_token(), old);
    assert_eq!(browser.stored("secret").await, None, "what the first user stored");
    assert_eq!(browser.get("/api/counter").await.number_member("value"), 0);
    let me = browser.me().await;
    for deadline in ["idle_deadline", "absolute_deadline"] {
        let (inherited, expected) = (lasts(&me, deadline), lasts(&usual, deadline));
        let off = inherited.abs_diff(expected);
        assert!(off < Duration::from_secs(60), "{deadline} is off by {off:?} in {me}");
    }
    browser.twin().expect_dead(&old).await;
    let mut first = target.browser();
    first.log_in(&anna).await;
    let devices = first.get("/api/devices").await.expect(200).json();
    assert_eq!(devices.as_array().map(Vec::len), Some(1), "the first user's devices: {devices}");
}

/// A thousand made-up ids, each brought twice: no session comes of any of them (rows 3 and 13).
pub async fn flood_of_unknown_ids_adopts_none(target: &Target) {
    let lanes = (0..LANES).map(|_| {
        let target = target.clone();
        async move {
            let mut browser = target.browser();
            for _ in 0..FLOOD / LANES {
                let unknown = random::token();
                for path in ["/api/me", "/api/me?consistency=strong"] {
                    browser.set_token(&unknown);
                    let response = browser.get(path).await.expect_anonymous().expect_cleared();
                    let source: Vec<_> = response.header("x-session-source").collect();
                    let none = source.iter().all(|source| *source == b"none");
                    assert!(none, "an unknown session was found in {response}");
                }
            }
        }
    });
    all(lanes).await;
}

/// A thousand requests without a cookie, on pages that show who is signed in: no session comes of
/// any of them (row 13; Django CVE-2015-5143).
pub async fn flood_without_cookies_creates_nothing(target: &Target) {
    let lanes = (0..LANES).map(|_| {
        let target = target.clone();
        async move {
            let mut connection = target.connection();
            for path in ["/", "/api/me", "/api/counter", "/api/data/x"]
                .into_iter()
                .cycle()
                .take(FLOOD / LANES)
            {
                connection.send(&Request::get(path)).await.expect_no_cookie();
            }
        }
    });
    all(lanes).await;
}

/// How long after the log-in a deadline is.
fn lasts(me: &Response, deadline: &str) -> Duration {
    let span = me.time_member(deadline).duration_since(me.time_member("authenticated_at"));
    span.unwrap_or_else(|_| panic!("a deadline before the log-in in {me}"))
}
