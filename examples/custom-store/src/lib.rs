//! A store of one's own: sessions in the files of a folder, for the processes of one machine. It
//! keeps the whole contract, and is a kind that configurations can name.
//!
//! Sessions survive a restart, though not a loss of power: whoever needs that too calls
//! [`File::sync_all`](std::fs::File::sync_all) before the rename. Those that have ended are removed
//! by [`purge_expired`](session_kit::Store::purge_expired), which a task of the application calls.

mod store;

mod files;
mod record;
mod settings;

pub use files::FileStore;
pub use settings::FileSettings;
