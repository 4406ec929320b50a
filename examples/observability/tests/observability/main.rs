//! What the application tells arrives, and the dashboard asks for what there is.
#![allow(clippy::unwrap_used, reason = "a test panics where a program would answer")]

mod arrival;
mod collector;
mod dashboard;
