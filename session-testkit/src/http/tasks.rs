//! Doing several things at once.

use tokio::task::JoinSet;

/// Runs all tasks at once and returns what they did, in no particular order. The first that
/// panics ends the others.
pub(super) async fn all<T, F>(tasks: impl IntoIterator<Item = F> + Send) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut running: JoinSet<T> = tasks.into_iter().collect();
    let mut done = Vec::with_capacity(running.len());
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(value) => done.push(value),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => panic!("a task did not end by itself: {error}"),
            },
        }
    }
    done
}
