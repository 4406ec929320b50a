//! Frees the room of expired sessions in the background.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use session_core::ErrorKind;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::dialect::Dialect;
use crate::engine::Shared;

/// The background task of one store. It ends with the last handle; if it ends before, with the
/// runtime that it ran on, it begins again on the next one that the store is used on.
#[derive(Debug, Default)]
pub(crate) struct Sweeper(Mutex<Option<AbortHandle>>);

/// Sessions freed by one statement at most: few enough to keep nobody waiting, enough to get on.
const BATCH: usize = 1_000;

impl Sweeper {
    pub(crate) fn ensure_running<D: Dialect>(&self, shared: &Arc<Shared<D>>, pause: Duration) {
        let mut task = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(AbortHandle::is_finished) {
            *task = Some(tokio::spawn(sweep(Arc::downgrade(shared), pause)).abort_handle());
        }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        let task = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}

async fn sweep<D: Dialect>(shared: Weak<Shared<D>>, pause: Duration) {
    let mut size = BATCH;
    loop {
        // Nodes that were started together do not sweep together.
        sleep(pause.mul_f64(0.75 + 0.5 * fastrand::f64())).await;
        let (mut most, mut has_freed) = (BATCH, false);
        loop {
            // Held for a batch only, or the store would never be dropped.
            let Some(shared) = shared.upgrade() else { return };
            // A task of its own, so that nothing that goes wrong ends this one.
            let batch = tokio::spawn(async move { shared.purge_expired(size).await });
            match batch.await {
                Ok(Ok(freed)) if freed >= size => {
                    has_freed = true;
                    size = (2 * size).min(most);
                }
                Ok(Ok(_)) => break,
                // On PostgreSQL it was rolled back as a whole: so many would never be freed.
                Ok(Err(error)) if error.kind() == ErrorKind::Timeout && size > 1 => {
                    tracing::warn!(%error, size, "expired sessions are freed in smaller batches");
                    size /= 2;
                    most = size;
                    // Unless that was the server and not the batch.
                    if !has_freed {
                        break;
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "expired sessions stay until the next round");
                    break;
                }
                Err(error) => {
                    tracing::error!(%error, "freeing expired sessions panicked");
                    break;
                }
            }
        }
    }
}
