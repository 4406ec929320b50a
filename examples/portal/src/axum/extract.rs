//! What handlers ask for besides sessions.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::header::{HeaderValue, USER_AGENT};
use axum::http::request::Parts;
use futures_util::{Stream, TryStreamExt as _};

use crate::reply::Failure;
use crate::request::{Client, CutOff, DataName, Named};

/// A body that nobody has read yet.
pub(super) struct Sent(pub(super) Pin<Box<dyn Stream<Item = Result<Bytes, CutOff>> + Send>>);

impl<S: Sync> FromRequest<S> for Sent {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Box::pin(request.into_body().into_data_stream().map_err(|_| CutOff))))
    }
}

impl<S: Sync> FromRequestParts<S> for DataName {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Self::in_path(parts.uri.path())
    }
}

impl<S: Sync> FromRequestParts<S> for Named {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::in_path(parts.uri.path()))
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let user_agent = parts.headers.get(USER_AGENT).map(HeaderValue::as_bytes);
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self::new(user_agent, peer.map(|ConnectInfo(peer)| peer.ip())))
    }
}
