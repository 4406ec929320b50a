//! Sessions as arguments of handlers.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use session_core::{Error, SessionData};

use crate::error::{ErrorResponder as _, JsonErrors};
use crate::layer::Main;

/// A request's session, as the layer of that name left it for the extractors.
pub(crate) struct Slot<N> {
    session: session_core::LazySession,
    name: PhantomData<fn() -> N>,
}

impl<N> Slot<N> {
    pub(crate) fn new(session: session_core::LazySession) -> Self {
        Self { session, name: PhantomData }
    }
}

impl<N> Clone for Slot<N> {
    fn clone(&self) -> Self {
        Self::new(self.session.clone())
    }
}

/// The session, loaded before the handler runs.
///
/// Dereferences to [`session_core::Session`]. A session that cannot be read because the store is
/// out of reach rejects the request with 503: an outage is not an anonymous visitor.
pub struct Session<N = Main> {
    session: session_core::Session,
    name: PhantomData<fn() -> N>,
}

/// The session, loaded when the handler asks for it.
///
/// Dereferences to [`session_core::LazySession`].
pub struct LazySession<N = Main> {
    session: session_core::LazySession,
    name: PhantomData<fn() -> N>,
}

/// The session as one value of the application's own type.
///
/// Dereferences to [`session_core::TypedSession`].
pub struct TypedSession<T, N = Main> {
    session: session_core::TypedSession<T>,
    name: PhantomData<fn() -> N>,
}

impl<N> Session<N> {
    /// The session itself, for use after the request.
    pub fn into_inner(self) -> session_core::Session {
        self.session
    }
}

impl<N> LazySession<N> {
    /// The session itself, for use after the request.
    pub fn into_inner(self) -> session_core::LazySession {
        self.session
    }
}

impl<T, N> TypedSession<T, N> {
    /// The session itself, for use after the request.
    pub fn into_inner(self) -> session_core::TypedSession<T> {
        self.session
    }
}

impl<N> Deref for Session<N> {
    type Target = session_core::Session;

    fn deref(&self) -> &Self::Target {
        &self.session
    }
}

impl<N> Deref for LazySession<N> {
    type Target = session_core::LazySession;

    fn deref(&self) -> &Self::Target {
        &self.session
    }
}

impl<T, N> Deref for TypedSession<T, N> {
    type Target = session_core::TypedSession<T>;

    fn deref(&self) -> &Self::Target {
        &self.session
    }
}

impl<N> fmt::Debug for Session<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.fmt(f)
    }
}

impl<N> fmt::Debug for LazySession<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.fmt(f)
    }
}

impl<T, N> fmt::Debug for TypedSession<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.fmt(f)
    }
}

impl<S: Sync, N: 'static> FromRequestParts<S> for LazySession<N> {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let slot = parts.extensions.get::<Slot<N>>().ok_or(MissingLayer)?;
        Ok(Self { session: slot.session.clone(), name: PhantomData })
    }
}

impl<S: Sync, N: 'static> FromRequestParts<S> for Session<N> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let lazy = LazySession::<N>::from_request_parts(parts, state).await?;
        let session = lazy.load().await.map_err(SessionRejection::Load)?;
        Ok(Self { session, name: PhantomData })
    }
}

impl<S: Sync, T: SessionData, N: 'static> FromRequestParts<S> for TypedSession<T, N> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let session = Session::<N>::from_request_parts(parts, state).await?.into_inner();
        Ok(Self { session: session_core::TypedSession::new(session), name: PhantomData })
    }
}

/// There is no [`SessionLayer`](crate::SessionLayer) of that name around the route: a mistake in
/// the application, answered 500.
#[derive(Clone, Copy, Debug)]
pub struct MissingLayer;

impl fmt::Display for MissingLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no `SessionLayer` around this route")
    }
}

impl std::error::Error for MissingLayer {}

impl IntoResponse for MissingLayer {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

/// Why a handler could not have its session loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionRejection {
    /// There is no layer around the route.
    MissingLayer(MissingLayer),
    /// The session could not be loaded.
    Load(Error),
}

impl From<MissingLayer> for SessionRejection {
    fn from(missing: MissingLayer) -> Self {
        Self::MissingLayer(missing)
    }
}

impl fmt::Display for SessionRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingLayer(missing) => missing.fmt(f),
            Self::Load(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SessionRejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(match self {
            Self::MissingLayer(missing) => missing,
            Self::Load(error) => error,
        })
    }
}

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response {
        match self {
            Self::MissingLayer(missing) => missing.into_response(),
            Self::Load(error) => JsonErrors.respond(&error),
        }
    }
}
