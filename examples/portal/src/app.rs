//! The routes, and what is around them.

use axum::Router;
use axum::http::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use session_kit::Sessions;
use session_kit::axum::SessionLayer;

use crate::metrics::Metrics;
use crate::observe::{self, DebugHeaders, Observer};
use crate::reply::Failure;
use crate::{api, operations, page, reply, same_origin};

/// The whole application, for [`axum::serve`](fn@axum::serve).
///
/// Serve it with connect info of a [`SocketAddr`](std::net::SocketAddr), or devices are listed
/// without an address.
pub fn app(sessions: Sessions, metrics: Metrics, debug_headers: DebugHeaders) -> Router {
    // The same sessions in two layers, which differ in how they tell of a failure.
    let api = api::routes()
        .layer(from_fn(observe::note_source))
        .layer(SessionLayer::new(sessions.clone()).on_error(reply::session_error))
        .layer(from_fn(same_origin::guard_api));
    let pages = page::routes()
        .layer(from_fn(observe::note_source))
        .layer(SessionLayer::new(sessions.clone()).on_error(page::session_error))
        .layer(from_fn(same_origin::guard_pages))
        .layer(map_response(page::harden));
    let observer = Observer::new(&metrics, debug_headers);
    Router::new()
        .merge(api)
        .merge(pages)
        .merge(operations::routes(sessions, metrics))
        .fallback(|| async { Failure::NotFound("there is nothing at this address") })
        .method_not_allowed_fallback(|| async { Failure::MethodNotAllowed })
        .layer(map_response(forbid_sniffing))
        .layer(from_fn_with_state(observer, observe::observe))
}

/// A stored JSON text must never be taken for a page.
async fn forbid_sniffing(mut response: Response) -> Response {
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
