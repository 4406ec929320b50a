//! session-kit for axum, and for any other tower service whose requests are `http` 1 requests.
//!
//! [`SessionLayer`] goes around the routes, [`Session`] and [`LazySession`] into the handlers:
//!
//! ```
//! use axum::{Router, routing::get};
//! use session_axum::{Session, SessionError, SessionLayer};
//! use session_core::Sessions;
//! use session_memory::MemoryStore;
//!
//! async fn count(session: Session) -> Result<String, SessionError> {
//!     let visits: u64 = session.update("visits", |visits| visits.unwrap_or(0) + 1)?;
//!     Ok(format!("visit number {visits}"))
//! }
//!
//! # fn main() -> Result<(), session_core::Error> {
//! let sessions = Sessions::builder(MemoryStore::new()).build()?;
//! let app: Router = Router::new().route("/", get(count)).layer(SessionLayer::new(sessions));
//! # Ok(())
//! # }
//! ```
//!
//! What a handler changed is saved before the head of the response goes out, whatever status it
//! has. If it cannot be saved the client gets an error instead of the handler's response. A
//! request whose handler takes no [`Session`] causes no call to the store. A service that fails,
//! with an error in place of a response, saves nothing; axum's own never do.

mod error;
mod extract;
mod future;
mod layer;

pub use self::error::{ErrorResponder, JsonErrors, SessionError};
pub use self::extract::{LazySession, MissingLayer, Session, SessionRejection, TypedSession};
pub use self::future::ResponseFuture;
pub use self::layer::{Main, SessionLayer, SessionService};
