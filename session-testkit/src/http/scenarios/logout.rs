//! Signing out, and those who do not know of it yet.

use std::time::Duration;

use serde_json::json;

use super::super::patience::{Patience, all};
use super::super::random::{self, Random};
use super::super::{Browser, Request, Response, Target};

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

/// Loads, slow writes and a log-out on one session in a thousand random schedules. Afterwards the
/// session is dead, whatever came first; no cookie brings it back, and no write was acknowledged
/// that went nowhere (row 9; Rack CVE-2025-46336).
pub async fn logged_out_stays_dead_in_any_schedule(target: &Target) {
    let lanes = (0..LANES).map(|lane| {
        let target = target.clone();
        async move {
            let mut parties = [(); PARTIES].map(|()| target.browser());
            let mut refused = 0;
            for schedule in (lane..target.schedules()).step_by(LANES) {
                let random = target.random(schedule);
                refused += usize::from(race(&target, &mut parties, random).await);
            }
            refused
        }
    });
    let refused: usize = all(lanes).await.into_iter().sum();
    let raced = refused > 0 || target.schedules() < MANY;
    assert!(raced, "no log-out fell into a slow write: is `ms` of /api/slow ignored?");
}

const PARTIES: usize = 6;

/// Plays one schedule. True if a write came too late.
async fn race(target: &Target, parties: &mut [Browser; PARTIES], mut random: Random) -> bool {
    let on_failure = TellSeed(random.to_string());
    let mut browser = target.signed_in().await;
    let token = browser.live_token();
    let is_persistent = browser.twin().log_in(&random::user()).await.set_cookie().is_some_and(|cookie| cookie.max_age().is_some());
    for party in parties.iter_mut() {
        party.set_token(&token);
    }
    let [one, two, three, four, five, six] = parties;
    let mut start = || Duration::from_micros(random.below(24) * 250);
    let starts = [start(), start(), start(), start(), start(), start()];
    let delays = [random.below(8), random.below(8)];
    let (read, strong, put, slow, slower, out) = tokio::join!(
        after(starts[0], one, Request::get("/api/me")),
        after(starts[1], two, Request::get("/api/me?consistency=strong")),
        after(starts[2], three, Request::put("/api/data/put", &json!(1))),
        after(starts[3], four, slow_write(delays[0])),
        after(starts[4], five, slow_write(delays[1])),
        after(starts[5], six, Request::post("/api/logout")),
    );
    out.clone().expect(204).expect_cleared();
    for read in [&read, &strong] {
        assert!(matches!(read.status(), 200 | 401), "the status of {read}");
    }
    let mut late = false;
    for write in [&put, &slow, &slower] {
        if write.status() != 204 {
            write.clone().expect_error(401, "session_gone").expect_cleared();
            late = true;
        }
    }
    for response in [&read, &strong, &put, &slow, &slower, &out] {
        if let Some(given) = response.given_token() {
            is_not_the_old_one(target, response, &given, &token, is_persistent).await;
        }
    }
    drop(on_failure);
    late
}
