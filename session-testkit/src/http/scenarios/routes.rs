//! The requests of the contract, by what they do with the session.

use serde_json::json;

use super::super::Request;

/// A public name as that of a device, of nobody's.
pub(super) const STRANGE_HANDLE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// Requests that look at the session and leave it as it is.
pub(super) fn reading() -> Vec<Request> {
    vec![
        Request::get("/"),
        Request::get("/api/me"),
        Request::get("/api/me?consistency=strong"),
        Request::get("/api/data/absent"),
        Request::get("/api/counter"),
        Request::get("/api/devices"),
        Request::delete("/api/data/absent"),
        Request::delete(format!("/api/devices/{STRANGE_HANDLE}")),
    ]
}

/// Requests that store something, and so begin a session if there is none.
pub(super) fn writing() -> Vec<Request> {
    vec![
        Request::put("/api/data/written", &json!("value")),
        Request::post("/api/slow?name=written&ms=1").json(&json!("value")),
        Request::post("/api/counter"),
        Request::post("/api/counter/now"),
    ]
}

/// Requests that change a session which is there, and do not begin one.
pub(super) fn changing() -> Vec<Request> {
    vec![
        Request::put("/api/timeouts", &json!({ "idle_ms": 600_000, "absolute_ms": 3_600_000 })),
        Request::post("/api/rotate"),
        Request::post("/api/devices/revoke-others"),
    ]
}

/// Requests after which there is no session.
pub(super) fn ending() -> Vec<Request> {
    vec![Request::post("/api/logout"), Request::post("/api/devices/revoke-all")]
}

/// A log-in that succeeds.
pub(super) fn log_in(user: &str) -> Request {
    Request::post("/api/login").json(&json!({ "user": user, "password": "demo" }))
}

/// Requests that never look at the session.
pub(super) fn indifferent() -> Vec<Request> {
    ["/api/plain", "/healthz", "/readyz", "/metrics"].map(Request::get).to_vec()
}

/// All requests that look at the session.
pub(super) fn using(user: &str) -> Vec<Request> {
    [reading(), writing(), changing(), ending(), vec![log_in(user)]].concat()
}
