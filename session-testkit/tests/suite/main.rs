//! The suite against a store that is right, and against stores that are each wrong in one way.

mod broken_stores;
mod conformance;
mod defects;
mod listing;
mod map_store;
mod wrappers;
