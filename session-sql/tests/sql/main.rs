//! The SQL store on real databases.

mod conformance;
mod fixture;
