//! What session-kit's stores for other session libraries have in common.
//!
//! Applications use `session-tower-sessions` or `session-actix-session`. Depend on this crate to
//! write such a store for a library that is not among them.
//!
//! # What is stored
//!
//! A session of the other library is a [`Record`](session_core::Record) like any other:
//!
//! - Its id never reaches the [`Store`](session_core::Store), only a digest of namespace and id,
//!   which is no token's: a leaked store opens no session, and no cookie of
//!   [`Sessions`](session_core::Sessions) opens one of these, or the other way round.
//! - Its values are one JSON object, as [`Json`](session_core::codec::Json) packs it, which other
//!   languages read.
//! - Its expiry is the idle deadline. The absolute one, which such libraries do not know, is
//!   [a setting here](DropInBuilder::absolute_timeout).
//!
//! # What holds, whatever the library does
//!
//! - A new session never overwrites one that is there.
//! - What was deleted, or has expired, is not brought back by a save: [`DropIn::overwrite`] says
//!   [`Gone`](session_core::ErrorKind::Gone).
//! - That the store cannot tell is an error, and never that there is no session.
//!
//! # What does not
//!
//! - These libraries save a session as a whole, without saying what they had read. Of two requests
//!   that change it at once, the last one wins, and what the other has changed is lost.
//! - A new id is a deletion and a creation, not one step. Whoever fails in between loses the
//!   session.
//! - Nobody knows who is signed in: these sessions are in no list of a subject's devices.

mod builder;
mod drop_in;

pub use self::builder::DropInBuilder;
pub use self::drop_in::{DropIn, Kept};
