//! What runs in the background of a node: one listener for each lane, and the sender of touches.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use session_core::Lane;
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use crate::node::Node;
use crate::subscriber;
use crate::sync::lock;

/// Primaries come and go; whoever has a new one notices soon.
const LOOK_FOR_LANES: Duration = Duration::from_secs(1);
/// While nobody can say which there are.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Keeps the tasks of a node running. They end with it.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    is_running: Arc<AtomicBool>,
    task: Mutex<Option<AbortHandle>>,
}

impl Keeper {
    /// Starts the tasks unless they run, or there is no runtime to run them. If their runtime has
    /// ended, they are started on that of the caller.
    pub(crate) fn ensure_running(&self, node: &Arc<Node>) {
        if self.is_running.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if self.is_running.swap(true, Ordering::Relaxed) {
            return;
        }
        let running = Running(Arc::clone(&self.is_running));
        let node = Arc::clone(node);
        let task = runtime.spawn(async move {
            let _running = running;
            tokio::join!(listen_to_all(&node), node.keep_sending_touches());
        });
        *lock(&self.task) = Some(task.abort_handle());
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}

/// Tells, when dropped, that the tasks are over.
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A listener for each lane there is.
async fn listen_to_all(node: &Arc<Node>) {
    let mut tasks = JoinSet::new();
    let mut listeners: HashMap<Lane, AbortHandle> = HashMap::new();
    loop {
        let pause = match node.backplane.lanes().await {
            Ok(lanes) => {
                listeners.retain(|lane, listener| {
                    let stays = lanes.contains(lane);
                    if !stays {
                        listener.abort();
                    }
                    stays
                });
                for lane in node.lanes.set(&lanes) {
                    listeners.entry(lane.lane).or_insert_with(|| {
                        tasks.spawn(subscriber::listen(Arc::clone(node), Arc::clone(&lane)))
                    });
                }
                LOOK_FOR_LANES
            }
            Err(error) => {
                tracing::debug!(%error, "it is not known which lanes there are");
                LOOK_AGAIN
            }
        };
        sleep(pause).await;
        // Those that were aborted; no other one ends.
        while tasks.try_join_next().is_some() {}
    }
}
