//! session-kit for actix-web.
//!
//! [`SessionLayer`] goes around the routes, [`Session`] and [`LazySession`] into the handlers:
//!
//! ```
//! use actix_web::{App, HttpServer, web};
//! use session_actix::{Session, SessionError, SessionLayer};
//! use session_core::Sessions;
//! use session_memory::MemoryStore;
//!
//! async fn count(session: Session) -> Result<String, SessionError> {
//!     let visits: u64 = session.update("visits", |visits| visits.unwrap_or(0) + 1)?;
//!     Ok(format!("visit number {visits}"))
//! }
//!
//! # #[actix_web::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = SessionLayer::new(Sessions::builder(MemoryStore::new()).build()?);
//! let server = HttpServer::new(move || {
//!     App::new().wrap(layer.clone()).route("/", web::get().to(count))
//! });
//! # let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0))?.run();
//! # let (handle, server) = (server.handle(), actix_web::rt::spawn(server));
//! # handle.stop(false).await;
//! # server.await??;
//! # Ok(())
//! # }
//! ```
//!
//! What a handler changed is saved before the head of the response goes out, whatever status it
//! has, and also if a middleware in between gives up with an error. If it cannot be saved the
//! client gets an error instead of the handler's response. A request whose handler takes no
//! [`Session`] causes no call to the store.
//!
//! Make the layer once and clone it in the server's factory, as above: what the sessions know of
//! each other is then shared by all workers. [`Workers`](#workers) says where stores do their
//! work.
//!
//! # Workers
//!
//! Each worker is a thread with a runtime of its own, and `Sessions` may be used from all of them.
//! A store that keeps connections or listens does so on the runtime where it was used first; when
//! that one ends it begins again on another. If that need not happen while requests are served,
//! use the store once (say, ask it whether it is there) before the server starts, on a runtime
//! that outlives the workers.

mod error;
mod extract;
mod future;
mod layer;

pub use self::error::{ErrorResponder, JsonErrors, SessionError};
pub use self::extract::{LazySession, MissingLayer, Session, SessionRejection, TypedSession};
pub use self::future::ResponseFuture;
pub use self::layer::{Main, SessionLayer, SessionService};
