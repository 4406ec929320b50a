//! The portal on actix-web: routes, what is around them, and how they are served.

#![allow(clippy::future_not_send, reason = "a worker of actix-web is one thread")]

mod api;
mod around;
mod extract;
mod page;
mod reply;
mod route;

use std::net::TcpListener;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::KeepAlive;
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::{App, Error, HttpResponse, HttpServer, web};
use session_kit::Sessions;
use session_kit::actix::{Main, SessionLayer};

use self::route::{get, resource};
use crate::metrics::Metrics;
use crate::observe::{DebugHeaders, Observer};
use crate::operations;
use crate::reply::{Failure, Reply};

/// What all workers have in common.
#[derive(Clone, Debug)]
pub struct Shared {
    sessions: Sessions,
    metrics: Metrics,
    observer: Observer,
    // The same sessions in two layers, which differ in how they tell of a failure.
    api: SessionLayer,
    pages: SessionLayer<Main, SessionPage>,
}

type SessionPage = fn(&session_kit::Error) -> HttpResponse;

impl Shared {
    /// The sessions and the instruments of the application.
    pub fn new(sessions: Sessions, metrics: Metrics, debug_headers: DebugHeaders) -> Self {
        Self {
            observer: Observer::new(&metrics, debug_headers),
            api: SessionLayer::new(sessions.clone()),
            pages: SessionLayer::new(sessions.clone()).on_error(reply::session_page),
            sessions,
            metrics,
        }
    }

    /// What the store starts when it is used first belongs to the runtime of that moment: rather
    /// to the caller's than to that of a worker, which may end before others do. Does not wait for
    /// the store, which may be out of reach.
    pub async fn use_the_store_here(&self) {
        let _ = tokio::time::timeout(Duration::ZERO, operations::is_ready(&self.sessions)).await;
    }
}

/// The whole application, for one worker of an [`HttpServer`].
pub fn app(
    shared: Shared,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let Shared { sessions, metrics, observer, api, pages } = shared;
    let is_ready = move || {
        let sessions = sessions.clone();
        async move { operations::is_ready(&sessions).await }
    };
    let export = move || std::future::ready(operations::export(&metrics));
    let nothing_here = async || Err::<Reply, _>(Failure::NOTHING_HERE);
    App::new()
        .service(resource("/healthz", [get(async || operations::is_alive())]))
        .service(resource("/readyz", [get(is_ready)]))
        .service(resource("/metrics", [get(export)]))
        .configure(|config| api::routes(config, &api))
        .configure(|config| page::routes(config, &pages))
        .default_service(web::to(nothing_here))
        // A stored JSON text must never be taken for a page.
        .wrap(DefaultHeaders::new().add(("x-content-type-options", "nosniff")))
        .wrap(from_fn(move |request, next| around::observe(observer.clone(), request, next)))
}

/// Serves the application until it is to stop, and what was begun by then to its end.
///
/// # Errors
///
/// Those of the operating system.
pub async fn serve(
    shared: Shared,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    shared.use_the_store_here().await;
    let server = HttpServer::new(move || app(shared.clone()))
        // As axum does: whoever is connected may be silent, and an answer is written in one piece.
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(Duration::ZERO)
        .tcp_nodelay(true)
        .disable_signals()
        .shutdown_signal(stop)
        // How long is for the caller to say, who need not wait for this to end.
        .shutdown_timeout(u64::MAX)
        .listen(listener)?
        .run();
    server.await
}
