//! Any session-kit store as a store of [actix-session], which then runs on Redis, SQL or a
//! [layered] store without a change of its handlers.
//!
//! ```
//! use actix_session::SessionMiddleware;
//! use actix_web::cookie::Key;
//! use session_actix_session::ActixSessionStore;
//! use session_memory::MemoryStore;
//!
//! # fn main() -> Result<(), session_core::Error> {
//! let store = ActixSessionStore::builder(MemoryStore::new()).namespace("shop").build()?;
//! let middleware = SessionMiddleware::new(store.clone(), Key::generate());
//! # Ok(())
//! # }
//! ```
//!
//! It is for actix-session 0.11. A complete program is in `examples/actix-session`. A store is
//! made once, outside the factory of the app, and each worker gets a clone.
//!
//! # What holds
//!
//! - **A new session overwrites none.** Ids are drawn here, with 256 bits, until one is free.
//! - **A session that was ended stays dead.** `update` of one is an error, which the middleware
//!   answers with 500, and no new session takes its place (as it does on actix-session's own Redis
//!   store). So is the deletion of one that another request has ended since this one began, because
//!   that is how `renew` begins: it would go on to save what was loaded under a new id. The price is
//!   that the later one of two log-outs of one session at the same moment is answered 500, too.
//! - **An outage is an error**, answered 500, and never "no session". So is what is stored and
//!   cannot be read, which other stores replace with an empty session.
//! - **Expired is gone**, once the time to live of the last save is over, whether or not anything
//!   was swept. On top of it there may be an
//!   [absolute timeout](DropInBuilder::absolute_timeout).
//! - **A request that only reads** extends the session by a touch, which writes no values, where
//!   the middleware is told to extend on every request. A touch never makes the time to live
//!   shorter, and one that comes too late changes nothing and is no error.
//! - **Ids stay here.** The store sees a digest of namespace and id.
//! - **Values are a JSON object** in the store, as those of session-kit are: what a handler
//!   inserts is not text within text.
//! - On a layered store, what one node has ended no other serves for longer than the bound.
//!
//! # What does not
//!
//! The interface is weaker than session-kit's, and no store can make up for it:
//!
//! - A session is saved as a whole. Of two requests that change one at the same time the last one
//!   wins, and what the other has changed is lost. So a log-out is `purge`, which ends the session,
//!   and not `remove` or `clear`, which a slow request undoes.
//! - `renew` deletes the old session and saves another, in two calls. If the second one fails, the
//!   session is lost.
//! - Every request with a cookie loads its session, whether or not a handler asks for it.
//!
//! [actix-session]: https://docs.rs/actix-session/0.11
//! [layered]: https://docs.rs/session-layered

mod error;
mod state;
mod store;

pub use session_drop_in::DropInBuilder;

pub use self::store::ActixSessionStore;
