//! The routes of the API.

use actix_web::middleware::from_fn;
use actix_web::web::ServiceConfig;
use session_kit::actix::{LazySession, Session, SessionLayer};

use super::around::{guard_api, note_source};
use super::extract::{RawQuery, Sent};
use super::route::{Routed, delete, get, post, put, resource};
use crate::api::{Answer, account, counter, data, devices, life};
use crate::reply::Reply;
use crate::request::{Client, DataName, Named};

pub(super) fn routes(config: &mut ServiceConfig, layer: &SessionLayer) {
    // Around the handlers alone: of an address or a method that there is none of, this is told to
    // anybody.
    let around = |routed: Routed| {
        routed.map(|route| {
            let route = route.wrap(from_fn(note_source));
            route.wrap(layer.clone()).wrap(from_fn(guard_api))
        })
    };
    let mut at = |path: &str, routes: Vec<Routed>| {
        config.service(resource(path, routes.into_iter().map(around)));
    };
    at("/api/login", vec![post(log_in)]);
    at("/api/logout", vec![post(log_out)]);
    at("/api/me", vec![get(me)]);
    at("/api/plain", vec![get(async || Reply::text("ok"))]);
    at("/api/data/{name}", vec![get(read), put(write), delete(remove)]);
    at("/api/slow", vec![post(write_slowly)]);
    at("/api/counter", vec![get(show), post(count)]);
    at("/api/counter/now", vec![post(count_now)]);
    at("/api/rotate", vec![post(rotate)]);
    at("/api/timeouts", vec![put(set_timeouts)]);
    at("/api/devices", vec![get(list)]);
    // The first that matches is taken.
    at("/api/devices/revoke-others", vec![post(revoke_others)]);
    at("/api/devices/revoke-all", vec![post(revoke_all)]);
    at("/api/devices/{handle}", vec![delete(revoke)]);
}

async fn log_out(session: Session) -> Reply {
    account::log_out(&session)
}

async fn rotate(session: Session) -> Reply {
    life::rotate(&session)
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
