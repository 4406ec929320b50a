//! The whole suite: with two handles on one folder, which share nothing but the files.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use custom_store::FileStore;
use session_kit::{Clock as _, Store, Timestamp};
use session_testkit::{Harness, ManualClock};
use tempfile::TempDir;

struct Files {
    folder: TempDir,
    clock: ManualClock,
    store: Arc<FileStore>,
}

impl Files {
    fn open(&self) -> FileStore {
        FileStore::open(self.folder.path(), self.clock.clone()).unwrap()
    }
}

async fn harness() -> Files {
    let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::default());
    let store = Arc::new(FileStore::open(folder.path(), clock.clone()).unwrap());
    Files { folder, clock, store }
}

#[async_trait]
impl Harness for Files {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn reopen(&self) -> Option<Arc<dyn Store>> {
        Some(Arc::new(self.open()))
    }
}

session_testkit::store_tests!(harness);
