//! The SQL store of session-kit.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Then every URL is refused, and nothing comes after that.
#![cfg_attr(
    not(any(feature = "mysql", feature = "postgres", feature = "sqlite")),
    allow(dead_code, unreachable_code, unused_imports, unused_variables)
)]

mod builder;
mod database;
mod table;

mod engine;
mod store;
mod subject_index;
mod sweeper;

mod dialect;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

mod arguments;
mod error;
mod migrations;
mod pool;
mod row;

pub use builder::SqlStoreBuilder;
pub use database::Database;
pub use migrations::Migration;
pub use store::SqlStore;
pub use table::TableName;
