//! A sign-in portal: a page for a person and an API for programs, both on session-kit.
//!
//! What is done and answered is the same through every framework: `api` for programs, `page` for
//! people, what they refuse in `reply` and `page::problem`. The modules [`axum`] and [`actix`] have
//! the routes, the session layer around them, and handlers that pass on what they extract.

pub mod actix;
mod api;
pub mod axum;
mod browser_name;
mod composition;
mod metrics;
mod observe;
mod operations;
mod page;
mod reply;
mod request;
mod same_origin;
mod time;
mod user;

pub use composition::config;
pub use metrics::Metrics;
pub use observe::DebugHeaders;
