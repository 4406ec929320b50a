//! A small application that tells what it does: spans and metrics of its sessions, by OTLP.

mod app;
mod client;
mod telemetry;

pub use app::{app, sessions};
pub use telemetry::Telemetry;
