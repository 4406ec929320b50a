//! The routes of the API.

use axum::Router;
use axum::extract::RawQuery;
use axum::routing::{delete, get, post, put};
use session_kit::axum::{LazySession, Session};

use super::extract::Sent;
use crate::api::{Answer, account, counter, data, devices, life};
use crate::reply::Reply;
use crate::request::{Client, DataName, Named};

pub(super) fn routes() -> Router {
    Router::new()
        .route("/api/login", post(log_in))
        .route("/api/logout", post(async |session: Session| account::log_out(&session)))
        .route("/api/me", get(me))
        .route("/api/plain", get(async || Reply::text("ok")))
        .route("/api/data/{name}", get(read).put(write).delete(remove))
        .route("/api/slow", post(write_slowly))
        .route("/api/counter", get(show).post(count))
        .route("/api/counter/now", post(count_now))
        .route("/api/rotate", post(async |session: Session| life::rotate(&session)))
        .route("/api/timeouts", put(set_timeouts))
        .route("/api/devices", get(list))
        .route("/api/devices/{handle}", delete(revoke))
        .route("/api/devices/revoke-others", post(revoke_others))
        .route("/api/devices/revoke-all", post(revoke_all))
}

async fn log_in(session: LazySession, Client(device): Client, Sent(body): Sent) -> Answer {
    account::log_in(&session, device, body).await
}

async fn me(session: LazySession, RawQuery(query): RawQuery) -> Answer {
    account::me(&session, query.as_deref()).await
}

async fn read(name: DataName, session: Session) -> Answer {
    data::read(&session, &name)
}

async fn write(name: DataName, session: LazySession, Sent(body): Sent) -> Answer {
    data::write(&session, &name, body).await
}

async fn remove(name: DataName, session: Session) -> Reply {
    data::remove(&session, &name)
}

async fn write_slowly(session: LazySession, RawQuery(query): RawQuery, Sent(body): Sent) -> Answer {
    data::write_slowly(&session, query.as_deref(), body).await
}

async fn show(session: Session) -> Answer {
    counter::show(&session)
}

async fn count(session: Session) -> Answer {
    counter::count(&session)
}

async fn count_now(session: Session) -> Answer {
    counter::count_now(&session).await
}

async fn set_timeouts(session: LazySession, Sent(body): Sent) -> Answer {
    life::set_timeouts(&session, body).await
}

async fn list(session: Session) -> Answer {
    devices::list(&session).await
}

async fn revoke(session: Session, Named(handle): Named) -> Answer {
    devices::revoke(&session, handle).await
}

async fn revoke_others(session: Session) -> Answer {
    devices::revoke_others(&session).await
}

async fn revoke_all(session: Session) -> Answer {
    devices::revoke_all(&session).await
}
