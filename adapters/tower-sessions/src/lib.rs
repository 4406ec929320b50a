//! Any session-kit store as a store of [tower-sessions], so that [axum-login] and whatever else
//! builds on it runs on Redis, SQL or a [layered] store without a change of its handlers.
//!
//! ```
//! use session_memory::MemoryStore;
//! use session_tower_sessions::TowerSessionStore;
//! use tower_sessions::SessionManagerLayer;
//!
//! # fn main() -> Result<(), session_core::Error> {
//! let store = TowerSessionStore::builder(MemoryStore::new()).namespace("shop").build()?;
//! let layer = SessionManagerLayer::new(store);
//! # Ok(())
//! # }
//! ```
//!
//! It is for tower-sessions 0.14, which axum-login 0.18 is built on. A complete program is in
//! `examples/axum-login`.
//!
//! # What holds
//!
//! - **An id that is taken is not overwritten.** A new session whose id exists gets another one.
//! - **A session that was ended stays dead.** A request that had loaded it before and saves it
//!   afterwards gets an error, which the middleware of tower-sessions answers with 500. Nothing
//!   is written, and the next request of that client is anonymous.
//! - **An outage is an error**, and never "no session": what a handler asks of its session fails,
//!   and the cookie stays as it was. axum-login answers 500.
//! - **Expired is gone**, at the record's `expiry_date`, in whole milliseconds, whether or not
//!   anything was swept. On top of it there may be an
//!   [absolute timeout](DropInBuilder::absolute_timeout).
//! - **Ids stay here.** The store sees a digest of namespace and id. tower-sessions itself shows
//!   ids in the `Debug` of its `Session` and `Record`.
//! - **Values are a JSON object** in the store, as those of session-kit are.
//! - On a layered store, what one node has ended no other serves for longer than the bound.
//!
//! # What does not
//!
//! The interface is weaker than session-kit's, and no store can make up for it:
//!
//! - A session is saved as a whole. Of two requests that change one at the same time the last one
//!   wins, and what the other has changed is lost. So a log-out is `flush`, which ends the session,
//!   and not the removal of a value, which a slow request puts back.
//! - `cycle_id` deletes the old session and creates another, in two calls. If the second one fails,
//!   the session is lost. And it does not tell whether the first one found anything: a slow request that gives
//!   its session a new id after another request has ended it keeps what it had loaded, under the
//!   new id. (axum-login does so only at the log-in of a visitor who is not signed in.)
//! - tower-sessions' `CachingSessionStore` in front of this one would undo what is said above: its cache
//!   hears of nothing that other nodes do. A layered store is the cache.
//! - A request that only reads extends nothing, unless the middleware is told to
//!   `with_always_save`, which writes the session at each request.
//! - Ids have 128 bits of tower-sessions' own random numbers, not 256.
//!
//! [tower-sessions]: https://docs.rs/tower-sessions/0.14
//! [axum-login]: https://docs.rs/axum-login/0.18
//! [layered]: https://docs.rs/session-layered

mod error;
mod record;
mod store;

pub use session_drop_in::DropInBuilder;

pub use self::store::TowerSessionStore;
