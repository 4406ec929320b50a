//! The middleware.

use std::fmt;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{
    CACHE_CONTROL, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, VARY,
};
use actix_web::{Error, HttpMessage as _, HttpResponse};
use session_core::{Caching, Consistency, Finished, Sessions};

use crate::error::{ErrorResponder, JsonErrors};
use crate::extract::Slot;
use crate::future::ResponseFuture;

/// The name of an application's sessions if there is only one kind of them.
#[derive(Clone, Copy, Debug)]
pub struct Main;

/// Opens the session of every request and saves it before the response goes out.
///
/// An application with several kinds of session names each with a type of its own, and its
/// handlers ask for them by that name:
///
/// ```
/// use actix_web::{App, web};
/// use session_actix::{Session, SessionLayer};
/// use session_core::{Error, SessionCookie, Sessions};
/// use session_memory::MemoryStore;
///
/// struct Admin;
///
/// async fn page(visitor: Session, admin: Session<Admin>) -> &'static str {
///     "here you are"
/// }
///
/// # fn main() -> Result<(), Error> {
/// let store = MemoryStore::new();
/// let visitors = Sessions::builder(store.clone()).build()?;
/// let admins = Sessions::builder(store).cookie(SessionCookie::new("__Host-admin")).build()?;
/// let app = App::new()
///     .route("/", web::get().to(page))
///     .wrap(SessionLayer::new(visitors))
///     .wrap(SessionLayer::new(admins).named::<Admin>());
/// # Ok(())
/// # }
/// ```
pub struct SessionLayer<N = Main, R = JsonErrors> {
    shared: Arc<Shared<R>>,
    consistency: Consistency,
    name: PhantomData<fn() -> N>,
}

/// What all requests need, put together once.
pub(crate) struct Shared<R> {
    sessions: Sessions,
    request_header: HeaderName,
    response_header: HeaderName,
    vary: HeaderValue,
    responder: R,
}

impl SessionLayer {
    /// A layer for the sessions of an application. Failures to save are answered in JSON.
    pub fn new(sessions: Sessions) -> Self {
        Self::with(sessions, JsonErrors)
    }
}

impl<N, R> SessionLayer<N, R> {
    fn with(sessions: Sessions, responder: R) -> Self {
        // Both names were checked when the sessions were built.
        let name = |name: &str, otherwise| HeaderName::try_from(name).unwrap_or(otherwise);
        let shared = Shared {
            request_header: name(sessions.request_header(), COOKIE),
            response_header: name(sessions.response_header(), SET_COOKIE),
            vary: HeaderValue::try_from(sessions.vary())
                .unwrap_or_else(|_| HeaderValue::from_static("*")),
            sessions,
            responder,
        };
        let consistency = Consistency::default();
        Self { shared: Arc::new(shared), consistency, name: PhantomData }
    }

    /// The same layer under a name, for [`Session<Name>`](crate::Session).
    #[must_use]
    pub fn named<Name>(self) -> SessionLayer<Name, R> {
        SessionLayer { shared: self.shared, consistency: self.consistency, name: PhantomData }
    }

    /// How fresh the sessions of these routes are when they are loaded. A handler can still ask
    /// for something else, by [`load_with`](session_core::LazySession::load_with).
    ///
    /// # Default
    ///
    /// [`Consistency::Cached`].
    ///
    /// # Example
    ///
    /// Routes that are never answered from a node's cache:
    ///
    /// ```
    /// # use actix_web::{App, web};
    /// # use session_actix::{Session, SessionLayer};
    /// # use session_core::{Consistency, Error, Sessions};
    /// # use session_memory::MemoryStore;
    /// # async fn catalogue(session: Session) -> &'static str { "" }
    /// # async fn pay(session: Session) -> &'static str { "" }
    /// # fn main() -> Result<(), Error> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// let shop = web::scope("/catalogue")
    ///     .wrap(SessionLayer::new(sessions.clone()))
    ///     .route("", web::get().to(catalogue));
    /// let payments = web::scope("/pay")
    ///     .wrap(SessionLayer::new(sessions).consistency(Consistency::Strong))
    ///     .route("", web::post().to(pay));
    /// let app = App::new().service(shop).service(payments);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn consistency(self, consistency: Consistency) -> Self {
        Self { consistency, ..self }
    }

    /// Answers failures to save in another form than JSON.
    ///
    /// A failure to load is an answer of the extractor [`Session`](crate::Session), which is in JSON. A
    /// handler that has another form for it takes a [`LazySession`](crate::LazySession) and loads it
    /// itself, or a `Result` of the session and its [rejection](crate::SessionRejection).
    #[must_use]
    pub fn on_error<Responder>(self, responder: Responder) -> SessionLayer<N, Responder> {
        let Self { shared, consistency, name: PhantomData } = self;
        SessionLayer { consistency, ..SessionLayer::with(shared.sessions.clone(), responder) }
    }
}

impl<R> Shared<R> {
    /// The answer to a request whose session could not be saved.
    pub(crate) fn respond(&self, error: &session_core::Error) -> HttpResponse
    where
        R: ErrorResponder,
    {
        self.responder.respond(error)
    }

    /// Tells the client about its token, and caches to keep the response to themselves.
    pub(crate) fn tell(&self, headers: &mut HeaderMap, finished: &Finished) {
        let Finished { used, header, error: _ } = finished;
        if let Some(Ok(value)) = header.as_deref().map(HeaderValue::try_from) {
            headers.append(self.response_header.clone(), value);
        }
        if *used {
            self.keep_from_caches(headers);
        }
    }

    fn keep_from_caches(&self, headers: &mut HeaderMap) {
        let caching = self.sessions.caching();
        let value = HeaderValue::from_static(caching.cache_control());
        match caching {
            // Whatever the handler says, it is said of one client's response.
            Caching::NoStore => drop(headers.insert(CACHE_CONTROL, value)),
            Caching::NoCacheSetCookie => headers.append(CACHE_CONTROL, value),
        }
        let varies = headers.get_all(VARY).any(|value| {
            let names = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            names
                .into_iter()
                .any(|name| name == b"*" || name.eq_ignore_ascii_case(self.vary.as_bytes()))
        });
        if !varies {
            headers.append(VARY, self.vary.clone());
        }
    }
}

impl<N, R> Clone for SessionLayer<N, R> {
    fn clone(&self) -> Self {
        let Self { shared, consistency, name } = self;
        Self { shared: Arc::clone(shared), consistency: *consistency, name: *name }
    }
}

impl<N, R> fmt::Debug for SessionLayer<N, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shared, consistency, name: _ } = self;
        f.debug_struct("SessionLayer")
            .field("sessions", &shared.sessions)
            .field("consistency", consistency)
            .finish()
    }
}

impl<S, N, R, B> Transform<S, ServiceRequest> for SessionLayer<N, R>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    N: 'static,
    R: ErrorResponder + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = SessionService<S, N, R>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(SessionService { inner, layer: self.clone() }))
    }
}

/// What [`SessionLayer`] puts around a service.
pub struct SessionService<S, N = Main, R = JsonErrors> {
    inner: S,
    layer: SessionLayer<N, R>,
}

impl<S: Clone, N, R> Clone for SessionService<S, N, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, N, R> fmt::Debug for SessionService<S, N, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, N, R, B> Service<ServiceRequest> for SessionService<S, N, R>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    N: 'static,
    R: ErrorResponder + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = ResponseFuture<S::Future, B, R>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let SessionLayer { shared, consistency, name: _ } = &self.layer;
        let values = request.headers().get_all(&shared.request_header);
        let session = shared.sessions.open(values.map(HeaderValue::as_bytes));
        let session = session.with_consistency(*consistency);
        request.extensions_mut().insert(Slot::<N>::new(session.clone()));
        ResponseFuture::new(self.inner.call(request), session, Arc::clone(shared))
    }
}
