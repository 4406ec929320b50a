//! What a process leaves behind that ends in the middle of a write, and what it must not read.

use std::fs;
use std::path::PathBuf;

use custom_store::FileStore;
use session_kit::{ErrorKind, Key, Load, Loaded, Partition, Store as _, SystemClock};
use tempfile::TempDir;

const KEY: Key = Key::from_parts(Partition::new([0x0a, 0xff]), [7; Key::DIGEST_BYTES]);

/// A session in a folder, and its file.
async fn written() -> (TempDir, FileStore, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path(), SystemClock).unwrap();
    let sample = session_testkit::sample::record(session_kit::Clock::now(&SystemClock));
    store.create(&KEY, &sample).await.unwrap();
    let file = folder.path().join("0aff");
    assert!(file.is_file());
    (folder, store, file)
}

#[tokio::test]
async fn half_a_write_is_nobodys_session() {
    let (_folder, store, file) = written().await;
    let whole = fs::read(&file).unwrap();
    fs::write(file.with_extension("new"), &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(store.load(&KEY, Load::default()).await.unwrap(), Loaded::Found { .. }));
    assert!(store.delete(&KEY).await.unwrap());
    assert!(!file.exists(), "nothing is kept of nobody");
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_stays_as_it_is() {
    let (_folder, store, file) = written().await;
    fs::write(&file, "{\"geheim\":").unwrap();
    let error = store.load(&KEY, Load::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(!format!("{error} {error:?}").contains("geheim"));
    assert_eq!(store.delete(&KEY).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"geheim\":");
}

#[cfg(unix)]
#[tokio::test]
async fn the_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("sessions");
    FileStore::open(&folder, SystemClock).unwrap();
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}
