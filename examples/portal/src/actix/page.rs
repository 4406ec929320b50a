//! The routes of the page.

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::web::ServiceConfig;
use session_kit::actix::{LazySession, Main, SessionLayer};

use super::SessionPage;
use super::around::{guard_pages, note_source};
use super::extract::{RawQuery, Sent};
use super::route::{Routed, get, post, resource};
use crate::page::{self, Answer, forms};
use crate::request::{Client, Named};

pub(super) fn routes(config: &mut ServiceConfig, layer: &SessionLayer<Main, SessionPage>) {
    let around = |routed: Routed| {
        routed.map(|route| {
            let route = route.wrap(from_fn(note_source));
            route.wrap(layer.clone()).wrap(from_fn(guard_pages))
        })
    };
    let mut at = |path: &str, routed: Routed| {
        config.service(resource(path, [around(routed)]));
    };
    at("/", get(home));
    at("/login", post(log_in));
    at("/logout", post(log_out));
    at("/counter", post(count));
    at("/revoke-others", post(revoke_others));
    at("/devices/{handle}/revoke", post(revoke));
    at("/favicon.ico", get(async || page::icon()));
}

async fn home(session: LazySession, RawQuery(query): RawQuery) -> Answer {
    page::home(&session, query.as_deref()).await
}

async fn log_in(
    session: LazySession,
    Client(device): Client,
    request: HttpRequest,
    Sent(body): Sent,
) -> Answer {
    let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    forms::log_in(&session, device, content_type, body).await
}

async fn log_out(session: LazySession) -> Answer {
    forms::log_out(&session).await
}

async fn count(session: LazySession) -> Answer {
    forms::count(&session).await
}

async fn revoke_others(session: LazySession) -> Answer {
    forms::revoke_others(&session).await
}

async fn revoke(session: LazySession, Named(handle): Named) -> Answer {
    forms::revoke(&session, handle).await
}
