//! The API for programs.

mod account;
mod counter;
mod data;
mod devices;
mod life;

use axum::Router;
use axum::routing::{delete, get, post, put};

pub(crate) use self::counter::{increment, value};

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/api/login", post(account::log_in))
        .route("/api/logout", post(account::log_out))
        .route("/api/me", get(account::me))
        .route("/api/plain", get(async || "ok"))
        .route("/api/data/{name}", get(data::read).put(data::write).delete(data::remove))
        .route("/api/slow", post(data::write_slowly))
        .route("/api/counter", get(counter::show).post(counter::count))
        .route("/api/counter/now", post(counter::count_now))
        .route("/api/rotate", post(life::rotate))
        .route("/api/timeouts", put(life::set_timeouts))
        .route("/api/devices", get(devices::list))
        .route("/api/devices/{handle}", delete(devices::revoke))
        .route("/api/devices/revoke-others", post(devices::revoke_others))
        .route("/api/devices/revoke-all", post(devices::revoke_all))
}
