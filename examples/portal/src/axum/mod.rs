//! The portal on axum: routes, what is around them, and how they are served.

mod api;
mod around;
mod busy;
mod extract;
mod page;
mod reply;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use futures_util::FutureExt as _;
use session_kit::Sessions;
use session_kit::axum::SessionLayer;
use tokio::net::TcpListener;
use tokio::time::timeout;

use self::busy::Busy;
use crate::metrics::Metrics;
use crate::observe::{DebugHeaders, Observer};
use crate::operations;
use crate::reply::Failure;

/// For how long nobody may have asked for anything until all answers have left.
const TO_LEAVE: Duration = Duration::from_secs(1);

/// The whole application, for [`axum::serve`](fn@axum::serve).
///
/// Serve it with connect info of a [`SocketAddr`], or devices are listed without an address.
pub fn app(sessions: Sessions, metrics: Metrics, debug_headers: DebugHeaders) -> Router {
    // The same sessions in two layers, which differ in how they tell of a failure.
    let api = api::routes()
        .layer(from_fn(around::note_source))
        .layer(SessionLayer::new(sessions.clone()))
        .layer(from_fn(around::guard_api));
    let pages = page::routes()
        .layer(from_fn(around::note_source))
        .layer(SessionLayer::new(sessions.clone()).on_error(reply::session_page))
        .layer(from_fn(around::guard_pages));
    let observer = Observer::new(&metrics, debug_headers);
    let is_ready = async move || operations::is_ready(&sessions).await;
    Router::new()
        .merge(api)
        .merge(pages)
        .route("/healthz", get(async || operations::is_alive()))
        .route("/readyz", get(is_ready))
        .route("/metrics", get(async move || operations::export(&metrics)))
        .fallback(|| async { Failure::NOTHING_HERE })
        .method_not_allowed_fallback(|| async { Failure::MethodNotAllowed })
        .layer(map_response(around::forbid_sniffing))
        .layer(from_fn_with_state(observer, around::observe))
}

/// Serves the application until it is to stop, and what was begun by then to its end.
///
/// # Errors
///
/// Those of the operating system.
pub async fn serve(
    app: Router,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let listener = listener.tap_io(|connection| {
        // An answer is written in one piece; there is nothing to wait for.
        let _ = connection.set_nodelay(true);
    });
    let (busy, stop) = (Busy::default(), stop.shared());
    let app = app.layer(from_fn_with_state(busy.clone(), busy::count));
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let drained = async {
        stop.clone().await;
        // Connections are closed as soon as nothing is under way on them; one on which half a
        // request has come never is.
        loop {
            busy.over().await;
            if timeout(TO_LEAVE, busy.begun()).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        served = axum::serve(listener, service).with_graceful_shutdown(stop.clone()) => served,
        () = drained => Ok(()),
    }
}
