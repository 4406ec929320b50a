//! A sign-in portal: a page for a person and an API for programs, both on session-kit.
//!
//! A request comes in through [`app`], which puts the session layer around the routes of the
//! `api` and the `page`; what they refuse is said by `reply` or, to a person, by `page::problem`.

mod api;
mod app;
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

pub use app::app;
pub use composition::config;
pub use metrics::Metrics;
pub use observe::DebugHeaders;
