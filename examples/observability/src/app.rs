//! A counter, for visitors and for those who sign in.

use axum::Router;
use axum::extract::{MatchedPath, Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use opentelemetry::metrics::Meter;
use session_kit::axum::{Session, SessionError, SessionLayer};
use session_kit::config::Config;
use session_kit::{Error, Field, Sessions, Subject};
use tracing::Instrument as _;
use tracing::field::Empty;

const VISITS: Field<u64> = Field::new("visits");

/// A cache in front of the shared store. In production that one is on Redis or PostgreSQL.
const CONFIG: &str = r#"
    [session]
    store = "front"
    cookie = { name = "id", secure = false }

    [stores.front]
    kind = "layered"
    shared = "main"

    [stores.main]
    kind = "memory"
"#;

/// Sessions that report all they do: one call has every store and the sessions measured.
///
/// # Errors
///
/// If the configuration could not be right.
pub fn sessions(meter: Meter) -> Result<Sessions, Error> {
    Config::parse(CONFIG, "the built-in configuration", [])?.meter(meter).build()
}

/// The routes, each request in a span of its own.
pub fn app(sessions: Sessions) -> Router {
    Router::new()
        .route("/", get(count))
        .route("/sign-in/{name}", post(sign_in))
        .route("/sign-out", post(async |session: Session| session.log_out()))
        .layer(SessionLayer::new(sessions))
        .layer(from_fn(trace))
}

async fn count(session: Session) -> Result<String, SessionError> {
    let visits = session.update(VISITS, |visits| visits.unwrap_or(0) + 1)?;
    Ok(format!("This is visit number {visits}.\n"))
}

async fn sign_in(session: Session, Path(name): Path<String>) -> Result<(), SessionError> {
    session.log_in(Subject::new(name)?);
    Ok(())
}

/// Reading and saving the session are spans within this one.
async fn trace(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    let span = tracing::info_span!(
        "http.request",
        "otel.kind" = "server",
        "http.request.method" = %request.method(),
        "http.route" = route,
        "http.response.status_code" = Empty,
    );
    let response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    response
}
