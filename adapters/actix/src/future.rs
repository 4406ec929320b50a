//! The way of a response: handled, saved, answered.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::body::EitherBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::{Error, HttpResponse, ResponseError};
use pin_project_lite::pin_project;
use session_core::{Finished, LazySession};

use crate::error::ErrorResponder;
use crate::layer::Shared;

pin_project! {
    /// The response of a [`SessionService`](crate::SessionService).
    ///
    /// Nothing is boxed for a request that leaves nothing to save.
    pub struct ResponseFuture<F, B, R> {
        #[pin]
        inner: F,
        session: LazySession,
        shared: Arc<Shared<R>>,
        saving: Option<Saving<B>>,
    }
}

/// What a service answers: a response, or an error that somebody further out makes one of.
type Answer<B> = Result<ServiceResponse<B>, Error>;

/// An answer that waits for its session to be saved.
struct Saving<B> {
    answer: Answer<B>,
    finished: Pin<Box<dyn Future<Output = Finished>>>,
}

impl<F, B, R> ResponseFuture<F, B, R> {
    pub(crate) fn new(inner: F, session: LazySession, shared: Arc<Shared<R>>) -> Self {
        Self { inner, session, shared, saving: None }
    }
}

impl<F, B, R> fmt::Debug for ResponseFuture<F, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("session", &self.session).finish_non_exhaustive()
    }
}

impl<F, B, R> Future for ResponseFuture<F, B, R>
where
    F: Future<Output = Answer<B>>,
    R: ErrorResponder + 'static,
{
    type Output = Answer<EitherBody<B>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            if let Some(saving) = this.saving {
                let finished = ready!(saving.finished.as_mut().poll(context));
                let Some(Saving { answer, .. }) = this.saving.take() else { continue };
                return Poll::Ready(answered(this.shared, answer, finished));
            }
            let answer = ready!(this.inner.as_mut().poll(context));
            let status = match &answer {
                Ok(response) => response.status(),
                Err(error) => error.as_response_error().status_code(),
            };
            let refused = status.is_client_error() || status.is_server_error();
            if let Some(finished) = this.session.finish_at_once(refused) {
                return Poll::Ready(answered(this.shared, answer, finished));
            }
            let session = this.session.clone();
            let finished = Box::pin(async move { session.finish(refused).await });
            *this.saving = Some(Saving { answer, finished });
        }
    }
}

fn answered<B, R: ErrorResponder + 'static>(
    shared: &Arc<Shared<R>>,
    answer: Answer<B>,
    finished: Finished,
) -> Answer<EitherBody<B>> {
    match answer {
        Ok(mut response) => {
            if let Some(error) = &finished.error {
                let replaced = shared.respond(error).map_into_right_body();
                let mut response = response.into_response(replaced);
                shared.tell(response.headers_mut(), &finished);
                return Ok(response);
            }
            shared.tell(response.headers_mut(), &finished);
            Ok(response.map_into_left_body())
        }
        // Such an error has no request to be answered to, so it takes along what is to be said.
        Err(cause) if finished.used => {
            Err(Refusal::new(cause, finished, Arc::clone(shared)).into())
        }
        Err(cause) => Err(cause),
    }
}

/// An error whose response tells of the session too, whoever asks for it, and however often.
struct Refusal<R> {
    cause: Error,
    finished: Finished,
    shared: Arc<Shared<R>>,
    status: StatusCode,
    /// For the first who asks; making one may be logged.
    response: Cell<Option<HttpResponse>>,
}

impl<R: ErrorResponder> Refusal<R> {
    fn new(cause: Error, finished: Finished, shared: Arc<Shared<R>>) -> Self {
        let response = refuse(&cause, &finished, &shared);
        let status = response.status();
        Self { cause, finished, shared, status, response: Cell::new(Some(response)) }
    }
}

fn refuse<R: ErrorResponder>(
    cause: &Error,
    finished: &Finished,
    shared: &Shared<R>,
) -> HttpResponse {
    let mut response = match &finished.error {
        Some(error) => shared.respond(error),
        None => cause.error_response(),
    };
    shared.tell(response.headers_mut(), finished);
    response
}

impl<R: ErrorResponder> ResponseError for Refusal<R> {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let Self { cause, finished, shared, status: _, response } = self;
        response.take().unwrap_or_else(|| refuse(cause, finished, shared))
    }
}

impl<R> fmt::Debug for Refusal<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl<R> fmt::Display for Refusal<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}
