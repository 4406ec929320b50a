//! What came of each request: its duration by route, and where its session was read from.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use session_kit::Source;
use session_kit::axum::LazySession;

use crate::metrics::Metrics;

/// Whether responses say where their session was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DebugHeaders {
    /// They do not.
    #[default]
    Off,
    /// `x-session-source: none | local | shared`.
    On,
}

/// What watches the requests.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    requests: Histogram<f64>,
    debug_headers: DebugHeaders,
}

impl Observer {
    pub(crate) fn new(metrics: &Metrics, debug_headers: DebugHeaders) -> Self {
        Self { requests: metrics.requests().clone(), debug_headers }
    }
}

/// Where a request's session was read from, handed from inside the session layer to outside of
/// it: only there is the response the final one.
#[derive(Clone, Debug, Default)]
struct Read(Arc<OnceLock<Source>>);

impl Read {
    fn source(&self) -> &'static str {
        match self.0.get() {
            None => "none",
            Some(Source::Local) => "local",
            Some(Source::Shared) => "shared",
        }
    }
}

/// Goes around everything.
pub(crate) async fn observe(
    State(observer): State<Observer>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let read = Read::default();
    request.extensions_mut().insert(read.clone());
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;

    let route = route.as_ref().map_or("none", MatchedPath::as_str).to_owned();
    observer.requests.record(
        begun.elapsed().as_secs_f64(),
        &[
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route),
            KeyValue::new("http.response.status_code", i64::from(response.status().as_u16())),
            KeyValue::new("session.source", read.source()),
        ],
    );
    if observer.debug_headers == DebugHeaders::On {
        let source = HeaderValue::from_static(read.source());
        response.headers_mut().insert("x-session-source", source);
    }
    response
}

/// Goes inside the session layer, which saves only after the handler: what is saved comes from
/// the shared store, wherever it was read.
pub(crate) async fn note_source(session: LazySession, request: Request, next: Next) -> Response {
    let read = request.extensions().get::<Read>().cloned();
    let response = next.run(request).await;
    let source = session.loaded().and_then(|session| session.source());
    if let (Some(Read(read)), Some(source)) = (read, source) {
        read.get_or_init(|| source);
    }
    response
}

/// The methods there are; any other word a client may think of is one and the same.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}
