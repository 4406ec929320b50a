//! The floor: the same router, without sessions.

use axum::Router;
use axum::routing::get;

use crate::application::on_tokio;
use crate::variants::{Failure, Places};

pub(crate) fn serve(_: &Places) -> Result<(), Failure> {
    on_tokio(async { Ok(Router::new().route("/untouched", get(async || "ok"))) })
}
