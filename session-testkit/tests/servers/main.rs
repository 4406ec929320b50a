//! The servers and the proxy, each by what tests rely on.
#![cfg(unix)]

#[cfg(target_os = "linux")]
mod accounts;
mod caddy;
mod client;
mod cluster;
mod harness;
#[path = "../suite/map_store.rs"]
mod map_store;
mod mariadb;
mod nginx;
#[cfg(target_os = "linux")]
mod orphans;
mod pgbouncer;
mod postgres;
mod proxy;
mod redis;
mod sentinel;
