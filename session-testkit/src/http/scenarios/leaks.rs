//! What must not be in an answer.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::super::laws::{contains, tells_nothing_of};
use super::super::{Request, Target};
use super::routes;

/// The token is in `Set-Cookie` and nowhere else, in no spelling: not in a page, an answer of the
/// API, an error, the metrics, or a header (row 7).
pub async fn tokens_stay_in_cookies(target: &Target) {
    let mut browser = target.signed_in().await;
    let mut tokens = vec![browser.live_token()];
    let user = browser.user().to_owned();
    let errors = [
        Request::new("PUT", "/api/data/name").body("{"),
        Request::post("/api/login").body("{"),
        Request::post("/api/login").json(&json!({ "user": user, "password": "wrong" })),
        Request::get("/api/data/absent"),
        Request::put("/api/data/name", &json!("x".repeat(70_000))),
    ];
    let mut requests = errors.to_vec();
    requests.extend(routes::indifferent());
    requests.extend(routes::reading());
    requests.extend(routes::writing());
    requests.extend(routes::changing());
    requests.push(routes::log_in(&user));
    requests.extend(routes::indifferent());
    requests.extend(routes::ending());
    for request in requests {
        let response = browser.send(request).await;
        tokens.extend(response.given_token());
        for secret in tokens.iter().flat_map(|token| spellings(token)) {
            tells_nothing_of(secret.as_bytes(), &response);
        }
    }
    assert!(tokens.len() >= 3, "a rotation and a log-in give new tokens");
}

/// What a client says of itself is shown to the user as text, not run as a script.
pub async fn page_escapes_what_clients_send(target: &Target) {
    const AGENT: &str = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>";
    let mut browser = target.signed_in().await;
    let user = browser.user().to_owned();
    browser.send(routes::log_in(&user).header("user-agent", AGENT)).await.expect(200);
    browser.store("name", &json!(AGENT)).await;
    let page = browser.get("/").await.expect(200);
    let is_html = page.header("content-type").any(|kind| kind.starts_with(b"text/html"));
    assert!(is_html, "no page in {page}");
    for part in ["<script>alert(", "<img src=x"] {
        assert!(!contains(page.body(), part.as_bytes()), "{part} in {page}");
    }
    assert!(contains(page.body(), user.as_bytes()), "nobody is signed in on {page}");
    let devices = browser.get("/api/devices").await.expect(200).json();
    assert_eq!(devices[0]["user_agent"], AGENT, "the user agent of {devices}");
}

/// The forms in which a token, or its secret part, may turn up.
fn spellings(token: &str) -> Vec<String> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut spellings = vec![
        token.to_owned(),
        token.replace('-', "%2D").replace('_', "%5F"),
        STANDARD.encode(token),
        hex(token.as_bytes()),
    ];
    if let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) {
        // The first two bytes say where the session lies, which is no secret.
        for part in [&bytes[..], &bytes[2..]] {
            spellings.extend([
                URL_SAFE_NO_PAD.encode(part),
                STANDARD_NO_PAD.encode(part),
                hex(part),
            ]);
            spellings.push(hex(part).to_uppercase());
            spellings.push(format!("{part:?}"));
        }
    }
    spellings
}
