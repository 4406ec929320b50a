//! Frees expired sessions in the background.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::state::State;
use crate::sync::lock;

/// The background task of one store. Dropped with the last handle, it takes the task with it.
#[derive(Debug)]
pub(crate) struct Sweeper {
    pause: Duration,
    is_running: Arc<AtomicBool>,
    task: Mutex<Option<AbortHandle>>,
}

impl Sweeper {
    /// Sessions freed between two chances for other tasks to run.
    const BATCH: usize = 256;

    pub(crate) fn new(pause: Duration) -> Self {
        Self { pause, is_running: Arc::default(), task: Mutex::default() }
    }

    /// Starts the task if it does not run and there is a tokio runtime to run it.
    pub(crate) fn ensure_running(&self, state: &Arc<State>) {
        if self.is_running.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if self.is_running.swap(true, Ordering::Relaxed) {
            return;
        }
        let running = Running(Arc::clone(&self.is_running));
        let task = runtime.spawn(sweep(Arc::downgrade(state), self.pause, running));
        *lock(&self.task) = Some(task.abort_handle());
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}

/// Tells, when dropped, that the task is over: its runtime has ended, and another may follow.
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        // In a runtime without timers every start would end in the same panic.
        if !std::thread::panicking() {
            self.0.store(false, Ordering::Relaxed);
        }
    }
}

async fn sweep(state: Weak<State>, pause: Duration, _running: Running) {
    loop {
        tokio::time::sleep(pause).await;
        loop {
            // Held for a batch only, so that the last handle can take the sessions with it while the task yields.
            let Some(state) = state.upgrade() else { return };
            // Only a clock can panic here. It fails one round, not all that would follow.
            let batch = catch_unwind(AssertUnwindSafe(|| state.purge(Sweeper::BATCH)));
            drop(state);
            if !batch.is_ok_and(|purged| purged.looks > 0) {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}
