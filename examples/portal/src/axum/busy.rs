//! Which requests are under way.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::watch;

/// How many requests are under way.
#[derive(Clone, Default)]
pub(super) struct Busy(Arc<watch::Sender<usize>>);

/// One of them.
struct UnderWay(Busy);

impl Busy {
    /// Returns when there are none.
    pub(super) async fn over(&self) {
        // The sender is in `self`, and so still there.
        let _ = self.0.subscribe().wait_for(|requests| *requests == 0).await;
    }

    /// Returns when there are some.
    pub(super) async fn begun(&self) {
        let _ = self.0.subscribe().wait_for(|requests| *requests > 0).await;
    }

    fn begin(self) -> UnderWay {
        self.0.send_modify(|requests| *requests += 1);
        UnderWay(self)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.send_modify(|requests| *requests -= 1);
    }
}

/// Goes around everything.
pub(super) async fn count(State(busy): State<Busy>, request: Request, next: Next) -> Response {
    let _under_way = busy.begin();
    next.run(request).await
}
