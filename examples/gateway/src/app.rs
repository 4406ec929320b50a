//! The routes, and what is around them.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{any, get};
use session_kit::Sessions;
use session_kit::axum::SessionLayer;

use crate::{auth, operations};

/// The whole application, for [`axum::serve`](fn@axum::serve).
///
/// ```
/// use session_kit::{MemoryStore, Sessions};
///
/// # fn main() -> Result<(), session_kit::Error> {
/// let sessions = Sessions::builder(MemoryStore::new()).build()?;
/// let app = gateway::app(sessions);
/// # Ok(())
/// # }
/// ```
pub fn app(sessions: Sessions) -> Router {
    Router::new()
        // Some proxies ask with the method of the request that they hold back.
        .route("/auth", any(auth::authenticate))
        .layer(SessionLayer::new(sessions.clone()))
        .route("/healthz", get("ok"))
        .route("/readyz", get(operations::is_ready).with_state(sessions))
        .layer(map_response(forbid_caching))
}

/// What was true of a session a moment ago need not be now.
async fn forbid_caching(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
