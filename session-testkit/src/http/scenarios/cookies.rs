//! What `Set-Cookie` says. Most of it is a [law](super::super::laws) of every response.

use serde_json::json;

use super::super::{Request, Target, random};
use super::routes;

/// Browsers remove a cookie only if name, path and domain are those it was set with. So that a
/// log-out reaches the browser too, all attributes but the dates are the same (row 4).
pub async fn removal_has_the_attributes_of_the_cookie(target: &Target) {
    let mut browser = target.browser();
    let mut scopes = Vec::new();
    for request in [
        Request::put("/api/data/name", &json!(1)),
        routes::log_in(&random::user()),
        Request::post("/api/rotate"),
        Request::post("/api/logout"),
    ] {
        let response = browser.send(request).await;
        let cookie = response.set_cookie();
        scopes.push(cookie.unwrap_or_else(|| panic!("no Set-Cookie in {response}")).scope());
    }
    browser.set_token("x");
    let cleared = browser.get("/api/me").await.expect_cleared();
    scopes.extend(cleared.set_cookie().map(|cookie| cookie.scope()));
    for scope in &scopes {
        assert_eq!(scope, &scopes[0], "the attributes of a cookie and of its removal");
    }
}

/// A session may be remembered for years; browsers keep no cookie for longer than 400 days, and
/// some drop one that asks for more (row 6; RFC 6265bis, section 5.6.2).
pub async fn no_cookie_outlives_400_days(target: &Target) {
    let mut browser = target.signed_in().await;
    let years = 5_u64 * 366 * 24 * 3_600 * 1_000;
    let timeouts = json!({ "idle_ms": years, "absolute_ms": years });
    browser.put("/api/timeouts", &timeouts).await.expect(204);
    // Whatever sets a cookie is checked by the law.
    browser.store("name", &json!(1)).await;
    browser.post("/api/rotate").await.expect(204).new_token();
    browser.me().await;
    browser.post("/api/logout").await.expect(204);
}

/// Another cookie whose name differs in case, or merely begins or ends like ours, is another
/// cookie: it opens nothing and is not cleared either (row 5).
pub async fn cookie_name_is_exact(target: &Target) {
    let mut live = target.signed_in().await;
    let (name, token) = (target.cookie_name().to_owned(), live.live_token());
    let mut others =
        vec![format!("x{name}"), format!("{name}x"), format!("{name}-"), "other".into()];
    others.extend(
        [name.to_uppercase(), name.to_lowercase()].into_iter().filter(|other| *other != name),
    );
    let mut connection = target.connection();
    for other in others {
        let request = Request::get("/api/me").cookie(format!("{other}={token}"));
        connection.send(&request).await.expect_anonymous().expect_no_cookie();
        let both = Request::get("/api/me").cookie(format!("{other}=x; {name}={token}; {other}=y"));
        connection.send(&both).await.expect(200).expect_no_cookie();
    }
    live.me().await;
}
