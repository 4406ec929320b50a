//! The layer and the extractors, around routers and other tower services.

mod answers;
mod client;
mod extractors;
mod services;
