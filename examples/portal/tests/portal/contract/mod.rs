//! Each row of the contract, as it goes well and as it goes wrong.

mod account;
mod counter;
mod data;
mod devices;
mod life;
mod operations;
mod page;
mod refusals;
