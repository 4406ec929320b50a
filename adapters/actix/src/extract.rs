//! Sessions as arguments of handlers.

use std::fmt;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError};
use futures_util::future::{Either, LocalBoxFuture};
use session_core::{Error, SessionData};

use crate::error::{ErrorResponder as _, JsonErrors, status};
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

impl<N: 'static> FromRequest for LazySession<N> {
    type Error = MissingLayer;
    type Future = Ready<Result<Self, MissingLayer>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

/// Ready at once if the session is loaded already; the type of a load has no name, so it is boxed.
type Loading<T> = Either<
    Ready<Result<T, SessionRejection>>,
    LocalBoxFuture<'static, Result<T, SessionRejection>>,
>;

impl<N: 'static> FromRequest for Session<N> {
    type Error = SessionRejection;
    type Future = Loading<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        load::<N, _>(request, |session| Self { session, name: PhantomData })
    }
}

impl<T: SessionData, N: 'static> FromRequest for TypedSession<T, N> {
    type Error = SessionRejection;
    type Future = Loading<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        load::<N, _>(request, |session| Self {
            session: session_core::TypedSession::new(session),
            name: PhantomData,
        })
    }
}

impl<N: 'static> LazySession<N> {
    fn of(request: &HttpRequest) -> Result<Self, MissingLayer> {
        let extensions = request.extensions();
        let slot = extensions.get::<Slot<N>>().ok_or(MissingLayer)?;
        Ok(Self { session: slot.session.clone(), name: PhantomData })
    }
}

fn load<N: 'static, T: 'static>(
    request: &HttpRequest,
    make: impl FnOnce(session_core::Session) -> T + 'static,
) -> Loading<T> {
    let lazy = match LazySession::<N>::of(request) {
        Ok(lazy) => lazy.into_inner(),
        Err(missing) => return Either::Left(ready(Err(missing.into()))),
    };
    if let Some(session) = lazy.loaded() {
        return Either::Left(ready(Ok(make(session.clone()))));
    }
    Either::Right(Box::pin(
        async move { lazy.load().await.map(make).map_err(SessionRejection::Load) },
    ))
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

impl ResponseError for MissingLayer {
    fn status_code(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
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

impl ResponseError for SessionRejection {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::MissingLayer(missing) => missing.status_code(),
            Self::Load(error) => status(error),
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::MissingLayer(missing) => missing.error_response(),
            Self::Load(error) => JsonErrors.respond(error),
        }
    }
}
