//! What came of each request: its duration by route, and where its session was read from.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use session_kit::{LazySession, Source};

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

    /// For a request that begins now. What it returns is to be handed on with the request.
    pub(crate) fn begin(&self) -> (Begun, Read) {
        let read = Read::default();
        (Begun { observer: self.clone(), at: Instant::now(), read: read.clone() }, read)
    }
}

/// A request under way.
pub(crate) struct Begun {
    observer: Observer,
    at: Instant,
    read: Read,
}

impl Begun {
    /// Records what came of it, and tells the value of [`SOURCE`] if it is to be sent.
    pub(crate) fn end(
        self,
        method: &str,
        route: Option<String>,
        status: u16,
    ) -> Option<&'static str> {
        let Self { observer: Observer { requests, debug_headers }, at, read } = self;
        let source = read.source();
        requests.record(
            at.elapsed().as_secs_f64(),
            &[
                KeyValue::new("http.request.method", known(method)),
                KeyValue::new("http.route", route.unwrap_or_else(|| "none".to_owned())),
                KeyValue::new("http.response.status_code", i64::from(status)),
                KeyValue::new("session.source", source),
            ],
        );
        (debug_headers == DebugHeaders::On).then_some(source)
    }
}

/// The header of a response that says where its session was read from.
pub(crate) const SOURCE: &str = "x-session-source";

/// Where a request's session was read from, handed from inside the session layer to outside of
/// it: only there is the response the final one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Read(Arc<OnceLock<Source>>);

impl Read {
    /// To be called inside the session layer, which saves only after the handler: what is saved
    /// comes from the shared store, wherever it was read.
    pub(crate) fn note(&self, session: &LazySession) {
        if let Some(source) = session.loaded().and_then(|session| session.source()) {
            self.0.get_or_init(|| source);
        }
    }

    fn source(&self) -> &'static str {
        match self.0.get() {
            None => "none",
            Some(Source::Local) => "local",
            Some(Source::Shared) => "shared",
        }
    }
}

/// The methods there are; any other word a client may think of is one and the same.
fn known(method: &str) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    known.into_iter().find(|name| *name == method).unwrap_or("_OTHER")
}
