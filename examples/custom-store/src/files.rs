//! Files, and atomic steps on them.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use session_kit::{Clock, Error, ErrorKind, Key, Record, Timestamp};

use crate::record::Stored;

/// Sessions in files, one for each partition of keys. Of these there are 65,536, so that most
/// sessions have a file of their own; and since a rotation stays in its partition, it changes one
/// file. With a file for each session it would change two, and a crash could come in between.
#[derive(Clone, Debug)]
pub struct FileStore {
    folder: Arc<Path>,
    clock: Arc<dyn Clock>,
}

/// What is in a file.
pub(crate) type Sessions = BTreeMap<String, Record>;

impl FileStore {
    /// The sessions in `folder`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] if the folder is not there and cannot be made.
    pub fn open(folder: impl AsRef<Path>, clock: impl Clock) -> Result<Self, Error> {
        let folder = folder.as_ref();
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(folder).map_err(|error| {
            Error::misconfigured("folder", folder.display(), "this folder cannot be made")
                .with("reason", &error)
                .with_source(error)
        })?;
        Ok(Self { folder: folder.into(), clock: Arc::new(clock) })
    }

    /// One atomic step on a file. Once it has begun it goes on, whether anybody waits for it or
    /// not.
    pub(crate) async fn step<T: Send + 'static>(
        &self,
        file: String,
        step: impl FnOnce(&mut Sessions, Timestamp) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let Self { folder, clock } = self.clone();
        let work = move || {
            // Not the file itself, which is another one after each rename. The lock excludes other
            // processes and the other threads of this one, and ends with its handle.
            let lock = folder.join(&file[..2]).with_extension("lock");
            let lock = File::options().create(true).append(true).open(lock).map_err(unavailable)?;
            lock.lock().map_err(unavailable)?;
            let file = folder.join(file);
            let before = fs::read(&file).or_else(absent).map_err(unavailable)?;
            let mut sessions = decode(&before)?;
            let result = step(&mut sessions, clock.now());
            write(&file, &before, &encode(&sessions)?).map_err(unavailable)?;
            Ok(result)
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(unavailable(io::Error::other(error))))
    }

    /// One atomic step on a session's file. What has expired is gone before anybody looks.
    pub(crate) async fn step_on<T: Send + 'static>(
        &self,
        key: &Key,
        step: impl FnOnce(&mut Sessions) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let step = |sessions: &mut Sessions, now| {
            sessions.retain(|_, record| !record.is_expired(now));
            step(sessions)
        };
        self.step(key.partition().to_string(), step).await
    }

    /// The files there are.
    pub(crate) async fn files(&self) -> Result<Vec<String>, Error> {
        let mut entries = tokio::fs::read_dir(&self.folder).await.map_err(unavailable)?;
        let mut files = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(unavailable)? {
            // What else is there has an extension.
            let name = entry.file_name().to_string_lossy().into_owned();
            files.extend((!name.contains('.')).then_some(name));
        }
        Ok(files)
    }
}

/// The old file or the new one is there at any time, whole.
fn write(file: &Path, before: &[u8], after: &[u8]) -> io::Result<()> {
    if before == after {
        return Ok(());
    }
    if after == NOTHING {
        return fs::remove_file(file);
    }
    let new = file.with_extension("new");
    fs::write(&new, after)?;
    fs::rename(new, file)
}

fn absent(error: io::Error) -> io::Result<Vec<u8>> {
    if error.kind() == io::ErrorKind::NotFound { Ok(NOTHING.to_vec()) } else { Err(error) }
}

fn encode(sessions: &Sessions) -> Result<Vec<u8>, Error> {
    let stored = sessions.iter().map(|(name, record)| (name, Stored::from(record)));
    serde_json::to_vec(&stored.collect::<BTreeMap<_, _>>())
        .map_err(|error| unavailable(error.into()))
}

fn decode(bytes: &[u8]) -> Result<Sessions, Error> {
    let damaged = |_| Error::new(ErrorKind::Corrupt, "this is no file of sessions");
    let stored: BTreeMap<String, Stored> = serde_json::from_slice(bytes).map_err(damaged)?;
    stored.into_iter().map(|(name, stored)| Ok((name, stored.try_into()?))).collect()
}

fn unavailable(error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the folder of sessions cannot be used").with_source(error)
}

/// A file without sessions, which is not there.
const NOTHING: &[u8] = b"{}";
