//! What handlers ask for besides sessions.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderValue, USER_AGENT};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::{Stream, TryStreamExt as _};

use crate::reply::Failure;
use crate::request::{Client, CutOff, DataName, Named};

/// A body that nobody has read yet.
pub(super) struct Sent(pub(super) Pin<Box<dyn Stream<Item = Result<Bytes, CutOff>>>>);

impl FromRequest for Sent {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(_: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Ok(Self(Box::pin(payload.take().map_err(|_| CutOff)))))
    }
}

/// What is behind the `?`.
pub(super) struct RawQuery(pub(super) Option<String>);

impl FromRequest for RawQuery {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.uri().query().map(str::to_owned))))
    }
}

impl FromRequest for DataName {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::in_path(request.uri().path()))
    }
}

impl FromRequest for Named {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::in_path(request.uri().path())))
    }
}

impl FromRequest for Client {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let user_agent = request.headers().get(USER_AGENT).map(HeaderValue::as_bytes);
        let peer = request.peer_addr().map(|peer| peer.ip());
        ready(Ok(Self::new(user_agent, peer)))
    }
}
