//! Signing out, and those who do not know of it yet.

use std::time::Duration;

use serde_json::json;

use super::super::random::{self, Random};
use super::super::tasks::all;
use super::super::{Browser, Request, Response, Target};
use crate::patience::Patience;

/// How many schedules run at the same time.
const LANES: usize = 16;

/// From so many schedules on it would be a miracle if none had a log-out in a slow write.
const MANY: usize = 200;

/// Signing out twice, in turn and at once, is answered 204 each time.
pub async fn log_out_twice_is_no_error(target: &Target) {
    let mut browser = target.signed_in().await;
    let token = browser.live_token();
    let twins = (0..8).map(|_| {
        let mut twin = browser.twin();
        async move {
            twin.post("/api/logout").await.expect(204).expect_cleared();
        }
    });
    all(twins).await;
    browser.post("/api/logout").await.expect(204).expect_cleared();
    browser.post("/api/logout").await.expect(204).expect_no_cookie();
    browser.expect_dead(&token).await;
}

/// A request has loaded the session, and while it takes its time the user signs out. Its write is
/// refused as `session_gone`, the cookie is cleared, and nothing is created: not the old session,
/// nor a new one (row 9; Rack CVE-2025-46336).
pub async fn slow_write_does_not_undo_a_log_out(target: &Target) {
    let patience = Patience::new(target.deadline());
    for delay in (50..).step_by(50) {
        let mut browser = target.signed_in().await;
        let token = browser.live_token();
        let mut slow = browser.twin();
        slow.open().await;
        let writing = tokio::spawn(async move { slow.send(slow_write(delay)).await });
        // A round trip for the slow request to get there first. If it did not, try again.
        browser.me().await;
        browser.post("/api/logout").await.expect(204).expect_cleared();
        let response = writing.await.expect("the slow write is answered");
        browser.expect_dead(&token).await;
        if response.status() == 401 {
            response.expect_error(401, "session_gone").expect_cleared();
            return;
        }
        patience.wait_for("a log-out in the middle of a slow write").await;
    }
}

/// Loads, writes, slow writes and a log-out on one session, in a thousand random schedules.
/// Afterwards the session is dead, whatever came first, and no cookie brings it back: one that a
/// late write was given is that of a new session, where nobody is signed in (row 9; Rack
/// CVE-2025-46336).
pub async fn logged_out_stays_dead_in_any_schedule(target: &Target) {
    let lanes = (0..LANES).map(|lane| {
        let target = target.clone();
        async move {
            let mut parties = [(); 6].map(|()| target.browser());
            let mut late = 0;
            for schedule in (lane..target.schedules()).step_by(LANES) {
                let random = target.random(schedule);
                let on_failure = TellSeed(random.to_string());
                late += race(&target, &mut parties, random).await;
                drop(on_failure);
            }
            late
        }
    });
    let late: usize = all(lanes).await.into_iter().sum();
    let raced = late > 0 || target.schedules() < MANY;
    assert!(raced, "no log-out fell into a slow write: is `ms` of /api/slow ignored?");
}

/// Plays one schedule. How many writes came too late?
async fn race(target: &Target, parties: &mut [Browser; 6], mut random: Random) -> usize {
    let mut browser = target.browser();
    let response = browser.log_in(&random::user()).await;
    let token = response.new_token();
    let refreshes = response.set_cookie().is_some_and(|cookie| cookie.max_age().is_some());
    for party in parties.iter_mut() {
        party.set_token(&token);
    }
    let [one, two, three, four, five, six] = parties;
    let mut soon = || Duration::from_micros(random.below(24) * 250);
    let (read, strong, put, slow, slower, out) = tokio::join!(
        after(soon(), one, Request::get("/api/me")),
        after(soon(), two, Request::get("/api/me?consistency=strong")),
        after(soon(), three, Request::put("/api/data/put", &json!(1))),
        after(soon(), four, slow_write(1)),
        after(soon(), five, slow_write(5)),
        after(soon(), six, Request::post("/api/logout")),
    );
    for read in [&read, &strong] {
        assert!(matches!(read.status(), 200 | 401), "the status of {read}");
    }
    let out = out.expect(204).expect_cleared();
    let writes = [put, slow, slower];
    let is_late = |write: &&Response| write.status() != 204;
    let late = writes.iter().filter(is_late).count();
    for write in writes.iter().filter(is_late) {
        write.clone().expect_error(401, "session_gone").expect_cleared();
    }
    for response in writes.iter().chain([&read, &strong, &out]) {
        if let Some(given) = response.given_token() {
            let refreshed = refreshes && given == token && response.status() < 400;
            assert!(refreshed || given != token, "a dead token is set again in {response}");
            let mut bearer = target.browser().with_token(given);
            bearer.get("/api/me").await.expect_anonymous();
        }
    }
    stays_dead(&mut browser, &token).await;
    late
}

/// Checks that the session is gone from everywhere it could be seen.
async fn stays_dead(browser: &mut Browser, token: &str) {
    browser.expect_dead(token).await;
    for name in ["put", "slow"] {
        browser.set_token(token);
        assert_eq!(browser.stored(name).await, None, "{name} of a session that was logged out");
    }
    let user = browser.user().to_owned();
    browser.log_in(&user).await;
    let devices = browser.get("/api/devices").await.expect(200).json();
    assert_eq!(devices.as_array().map(Vec::len), Some(1), "the devices after a log-out: {devices}");
}

fn slow_write(ms: u64) -> Request {
    Request::post(format!("/api/slow?name=slow&ms={ms}")).json(&json!("late"))
}

/// The pause is the schedule; nothing relies on what has happened by its end.
async fn after(pause: Duration, browser: &mut Browser, request: Request) -> Response {
    tokio::time::sleep(pause).await;
    browser.send(request).await
}

/// Tells on failure where the random schedule began.
struct TellSeed(String);

impl Drop for TellSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in the schedule of {}", self.0);
        }
    }
}
