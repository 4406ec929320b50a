//! The store as a kind.

use std::path::Path;
use std::sync::Arc;

use custom_store::{FileSettings, FileStore};
use session_kit::config::{Config, Context, Registry};
use session_kit::{Error, ErrorKind, Sessions, Store, SystemClock};

use crate::announcing::Announcing;

fn registry() -> Registry {
    let announcing = |settings: &FileSettings, _: &mut Context<'_>| {
        let files = FileStore::open(&settings.folder, SystemClock)?;
        Ok(Arc::new(Announcing::new(files)) as Arc<dyn Store>)
    };
    Registry::new().kind("file", FileSettings::build).kind("announcing-file", announcing)
}

fn parse(text: &str, folder: &Path) -> Result<Config, Error> {
    let folder = folder.display().to_string();
    registry().parse(text, "custom-store.toml", [("SESSIONS".to_owned(), folder)])
}

const SAMPLE: &str = include_str!("../../custom-store.toml");

/// The sample, with a cache in front.
fn cached(kind: &str) -> String {
    SAMPLE.replace("store = \"main\"", "store = \"front\"").replace("\"file\"", kind)
        + "\n[stores.front]\nkind = \"layered\"\nshared = \"main\"\n"
}

/// The store that a configuration leads to.
pub(crate) fn cached_files(folder: &Path) -> Arc<dyn Store> {
    let config = parse(&cached("\"announcing-file\""), folder).unwrap();
    config.build().unwrap().store_shared()
}

async fn visits(sessions: &Sessions, cookie: Option<&str>) -> (u64, Option<String>) {
    let visitor = sessions.open(cookie.map(str::as_bytes));
    let session = visitor.load().await.unwrap();
    session.update("visits", |visits: Option<u64>| visits.unwrap_or(0) + 1).unwrap();
    let count = session.get("visits").unwrap().unwrap();
    let finished = visitor.finish(false).await;
    assert!(finished.error.is_none(), "{:?}", finished.error);
    (count, finished.header.map(|header| header.split(';').next().unwrap().to_owned()))
}

#[tokio::test]
async fn sessions_go_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let open = || parse(SAMPLE, folder.path()).unwrap().build().unwrap();
    let (first, cookie) = visits(&open(), None).await;
    let (second, _) = visits(&open(), cookie.as_deref()).await;
    assert_eq!((first, second), (1, 2));
}

#[test]
fn its_mistakes_are_told_as_those_of_other_kinds() {
    let folder = tempfile::tempdir().unwrap();
    let no_folder = folder.path().join("file");
    std::fs::write(&no_folder, "").unwrap();
    for (text, at, told) in [
        (
            SAMPLE.replace("folder", "foldr"),
            folder.path(),
            "unknown field `foldr`; did you mean `folder`? (field: stores.main.foldr, line: 8",
        ),
        (
            SAMPLE.replace("\"file\"", "\"files\""),
            folder.path(),
            "no such kind; did you mean `file`? (field: stores.main.kind, value: \"files\", line: 7",
        ),
        (SAMPLE.to_owned(), &no_folder, "this folder cannot be made (field: stores.main.folder"),
    ] {
        let error = parse(&text, at).and_then(|config| config.build()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        let message = error.to_string();
        assert!(message.contains(told) && message.contains("custom-store.toml"), "{message}");
    }
}

#[test]
fn a_cache_in_front_of_silent_files_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let config = parse(&cached("\"file\""), folder.path()).unwrap();
    let message = config.build().unwrap_err().to_string();
    assert_eq!(
        message,
        "misconfigured: files announce nothing: a cache in front of them could not know what \
         another process has changed (field: stores.front.shared, value: \"main\", line: 12, file: \
         custom-store.toml)"
    );
}
