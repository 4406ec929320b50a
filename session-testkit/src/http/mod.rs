//! The HTTP script: what a browser, a program and an attacker see of a service with sessions.
//!
//! Every [scenario](scenarios) plays requests to a running server over real sockets and panics if
//! an answer is not what the contract of the portal (`examples/portal`) says. The server may be
//! built with any framework: two that pass behave alike, as far as anybody outside can tell.
//!
//! On top of what a scenario looks for, [some things](laws) hold of every single response.
//!
//! ```no_run
//! # async fn script() {
//! use session_testkit::http::{self, Target};
//!
//! let address = ([127, 0, 0, 1], 3000).into();
//! http::run(&Target::new(address, "id")).await;
//! # }
//! ```
//!
//! [`http_tests!`](crate::http_tests) makes a test of each scenario instead.
//!
//! Scenarios sign in users of their own under random names and leave everybody else alone, so
//! they may run at the same time, and against a server that has other things to do.

mod browser;
mod connection;
mod expect;
pub mod laws;
mod random;
mod request;
mod response;
pub mod scenarios;
mod script;
mod set_cookie;
mod target;
mod tasks;
mod wire;

pub use browser::Browser;
pub use connection::{Connection, Refused};
pub use request::Request;
pub use response::Response;
pub use script::{__run, Scenario, run};
pub use set_cookie::SetCookie;
pub use target::Target;
