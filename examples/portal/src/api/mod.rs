//! The API for programs: what is done and answered, through whatever framework it is asked.

pub(crate) mod account;
pub(crate) mod counter;
pub(crate) mod data;
pub(crate) mod devices;
pub(crate) mod life;

use crate::reply::{Failure, Reply};

/// What a request is answered, or why not.
pub(crate) type Answer = Result<Reply, Failure>;
