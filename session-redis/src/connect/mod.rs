//! How connections come about, and come back.
//!
//! The driver brings the protocol and the multiplexing. What it leaves to us is everything about
//! *which* server to talk to, since that decides whether a write is lost: its connection manager
//! never asks a Sentinel again, and its Cluster client repeats writes whose first reply was lost.

mod asking;
mod cluster;
mod connector;
mod link;
mod nodes;
mod sentinel;
mod servers;

pub(crate) use connector::{Connector, Driver};
pub(crate) use link::{Connection, Link, role_of};
pub(crate) use nodes::Owned;
pub(crate) use servers::{Primary, Servers};
