//! The portal from outside: a process of its own, asked over HTTP and through a browser.

mod browser;
mod chaos;
mod client;
mod configured;
mod contract;
mod driver;
mod layered;
mod nodes;
mod outage;
mod patience;
mod process;
mod redis;
mod script;
mod shutdown;
mod sql;
mod startup;
