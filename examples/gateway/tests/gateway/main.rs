//! The gateway as a process, asked by a real nginx or Caddy in front of a service that knows no sessions.
#![cfg(unix)]

mod caddy;
mod client;
mod gateway;
mod identity;
mod life;
mod outage;
mod patience;
mod process;
mod refusals;
mod service;
mod sign_in;
mod site;
