//! Tasks that look after something.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::sync::lock;

/// A task that does not run before it is asked for, ends with its owner, and is started again when
/// it is asked for after the runtime it ran on has ended.
#[derive(Default)]
pub(crate) struct Background {
    is_running: Arc<AtomicBool>,
    task: Mutex<Option<AbortHandle>>,
}

impl Background {
    /// Starts the task unless it runs, or there is no runtime to run it. `start` makes the task,
    /// and what is called when it runs no more, for whatever reason.
    pub(crate) fn ensure_running<T, E>(&self, start: impl FnOnce() -> (T, E))
    where
        T: Future<Output = ()> + Send + 'static,
        E: Fn() + Send + 'static,
    {
        if self.is_running.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if self.is_running.swap(true, Ordering::Relaxed) {
            return;
        }
        let (task, ended) = start();
        let running = Running { is_running: Arc::clone(&self.is_running), ended };
        let task = runtime.spawn(async move {
            let _running = running;
            task.await;
        });
        *lock(&self.task) = Some(task.abort_handle());
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}

/// Tells, when dropped, that the task is over.
struct Running<E: Fn()> {
    is_running: Arc<AtomicBool>,
    ended: E,
}

impl<E: Fn()> Drop for Running<E> {
    fn drop(&mut self) {
        self.is_running.store(false, Ordering::Relaxed);
        (self.ended)();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn a_task_is_started_once_for_each_runtime_and_ends_with_its_owner() {
        let background = Background::default();
        let counts = Arc::new([const { AtomicUsize::new(0) }; 2]);
        let so_far = || counts.each_ref().map(|count| count.load(Ordering::SeqCst));
        let run = |background: &Background| {
            background.ensure_running(|| {
                counts[0].fetch_add(1, Ordering::SeqCst);
                let counts = Arc::clone(&counts);
                let ended = move || {
                    counts[1].fetch_add(1, Ordering::SeqCst);
                };
                (std::future::pending(), ended)
            });
        };
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();

        run(&background);
        assert_eq!(so_far(), [0, 0], "there is no runtime");
        for round in 1..=2 {
            let runtime = runtime();
            runtime.block_on(async { (0..3).for_each(|_| run(&background)) });
            assert_eq!(so_far(), [round, round - 1]);
            drop(runtime);
            assert_eq!(so_far(), [round, round], "it has ended with its runtime");
        }

        runtime().block_on(async {
            run(&background);
            drop(background);
            while so_far() != [3, 3] {
                tokio::task::yield_now().await;
            }
        });
    }
}
