//! The way of a response: handled, saved, answered.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Response;
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

/// A response that waits for its session to be saved.
struct Saving<B> {
    response: Response<B>,
    finished: Pin<Box<dyn Future<Output = Finished> + Send>>,
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

impl<F, B, E, R> Future for ResponseFuture<F, B, R>
where
    F: Future<Output = Result<Response<B>, E>>,
    R: ErrorResponder<B>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            if let Some(saving) = this.saving {
                let finished = ready!(saving.finished.as_mut().poll(context));
                let Some(Saving { response, .. }) = this.saving.take() else { continue };
                return Poll::Ready(Ok(this.shared.finish(response, finished)));
            }
            let response = ready!(this.inner.as_mut().poll(context))?;
            let status = response.status();
            let refused = status.is_client_error() || status.is_server_error();
            if let Some(finished) = this.session.finish_at_once(refused) {
                return Poll::Ready(Ok(this.shared.finish(response, finished)));
            }
            let session = this.session.clone();
            let finished = Box::pin(async move { session.finish(refused).await });
            *this.saving = Some(Saving { response, finished });
        }
    }
}
