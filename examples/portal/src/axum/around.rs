//! What goes around the routes.

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use session_kit::axum::LazySession;

use crate::observe::{Observer, Read, SOURCE};
use crate::page;
use crate::reply::Failure;
use crate::same_origin;

/// Goes around everything.
pub(super) async fn observe(
    State(observer): State<Observer>,
    mut request: Request,
    next: Next,
) -> Response {
    let (begun, read) = observer.begin();
    request.extensions_mut().insert(read);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;

    let route = route.map(|route| route.as_str().to_owned());
    if let Some(source) = begun.end(method.as_str(), route, response.status().as_u16()) {
        response.headers_mut().insert(SOURCE, HeaderValue::from_static(source));
    }
    response
}

/// A stored JSON text must never be taken for a page.
pub(super) async fn forbid_sniffing(mut response: Response) -> Response {
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Goes inside the session layer.
pub(super) async fn note_source(session: LazySession, request: Request, next: Next) -> Response {
    let read = request.extensions().get::<Read>().cloned();
    let response = next.run(request).await;
    if let Some(read) = read {
        read.note(&session);
    }
    response
}

pub(super) async fn guard_api(request: Request, next: Next) -> Response {
    if is_cross_site(&request) {
        return Failure::CrossSite.into_response();
    }
    next.run(request).await
}

pub(super) async fn guard_pages(request: Request, next: Next) -> Response {
    if is_cross_site(&request) {
        return page::cross_site().into_response();
    }
    next.run(request).await
}

fn is_cross_site(request: &Request) -> bool {
    let header = |name: &'static str| request.headers().get(name).map(HeaderValue::as_bytes);
    same_origin::is_cross_site(request.method().as_str(), header)
}
