//! Whose response may be given to whom.

use serde_json::json;

use super::super::laws::{contains, is_kept_from_caches};
use super::super::{Target, random};
use super::routes;
use super::shared_cache::{From, Obeys, SharedCache};

/// Every response for which the session was looked at says `Cache-Control: no-store` and
/// `Vary: Cookie`, whether there was one or not and whatever came of it (row 10; Flask
/// CVE-2023-30861).
pub async fn responses_with_a_session_are_not_stored(target: &Target) {
    let user = random::user();
    for request in routes::using(&user) {
        for cookie in [None, Some(random::token()), Some("x".to_owned())] {
            let mut browser = target.browser();
            if let Some(cookie) = cookie {
                browser.set_token(cookie);
            }
            is_kept_from_caches(&browser.send(request.clone()).await);
        }
        let mut live = target.browser();
        live.log_in(&user).await;
        is_kept_from_caches(&live.send(request).await);
    }
}

/// A response that has nothing to do with sessions may be kept by any cache, and is the same for
/// everybody: no `Set-Cookie`, no `Vary: Cookie`, no `no-store`.
pub async fn responses_without_a_session_may_be_stored(target: &Target) {
    let live = target.signed_in().await;
    for request in routes::indifferent() {
        for cookie in [None, Some(live.live_token()), Some(random::token()), Some("x".to_owned())] {
            let mut browser = target.browser();
            if let Some(cookie) = cookie {
                browser.set_token(cookie);
            }
            let response = browser.send(request.clone()).await.expect(200).expect_no_cookie();
            let vary = response.list("vary");
            assert!(!vary.contains(&"cookie".to_owned()), "a needless Vary in {response}");
            let control = response.list("cache-control");
            let is_plain = request.path() == "/api/plain";
            let forbids = control.contains(&"no-store".to_owned());
            assert!(!(is_plain && forbids), "a needless no-store in {response}");
        }
    }
}

/// Two users and a stranger behind one cache: nobody is given what belongs to another, neither
/// page nor cookie (row 10; Rails CVE-2024-26144). Either header alone suffices for that, should a
/// cache be deaf to the other one.
pub async fn shared_cache_keeps_users_apart(target: &Target) {
    for obeys in [Obeys::All, Obeys::NoStore, Obeys::Vary] {
        let mut cache = SharedCache::new(obeys);
        let (mut anna, mut ben) = (target.signed_in().await, target.signed_in().await);
        anna.store("secret", &json!(anna.user())).await;
        ben.store("secret", &json!(ben.user())).await;
        let users = [anna.user().to_owned(), ben.user().to_owned()];
        let mut stranger = target.browser();
        for path in ["/", "/api/me", "/api/data/secret", "/api/devices", "/api/counter"] {
            for (browser, foreign) in
                [(&mut anna, &users[1..]), (&mut ben, &users[..1]), (&mut stranger, &users)]
            {
                let (response, _) = cache.get(browser, path).await;
                for user in foreign {
                    let leaked = contains(response.body(), user.as_bytes());
                    assert!(!leaked, "a cache ({obeys:?}) gave away somebody's {response}");
                }
                response.expect_no_cookie();
            }
        }
        for (browser, expected) in [(&mut anna, From::Server), (&mut ben, From::Cache)] {
            let (response, from) = cache.get(browser, "/api/plain").await;
            assert_eq!(from, expected, "whether a cache ({obeys:?}) may keep {response}");
        }
    }
}
