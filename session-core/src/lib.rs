//! The core of session-kit: what a session is, what a store has to do, and what becomes of a
//! request. It does no I/O and knows no framework.
//!
//! Applications use it through the facade `session-kit`. Depend on this crate to write a
//! [`Store`], a [`Codec`] or an adapter.
//!
//! The modules below are grouped by the stage at which a request meets them. An adapter hands the values
//! of one header to [`Sessions::open`], gives the [`LazySession`] to the handler, and calls
//! [`LazySession::finish`] before the head of the response goes out:
//!
//! ```
//! # use session_core::{Error, Sessions};
//! # async fn adapter(sessions: Sessions, cookies: &[u8]) -> Result<(), Error> {
//! let lazy = sessions.open([cookies]);
//!
//! // The handler:
//! let session = lazy.load().await?;
//! let visits = session.update("visits", |visits| visits.unwrap_or(0_u64) + 1)?;
//!
//! // The response:
//! let finished = lazy.finish(false).await;
//! if let Some(value) = finished.header {
//!     println!("{}: {value}", sessions.response_header());
//! }
//! # let _ = visits;
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

// From bytes to a key.
mod key;
mod namespace;
mod token;
mod transport;

// What a store has to do, and with what.
mod backplane;
mod fields;
mod record;
mod store;
mod subject;
mod subject_index;
mod timeouts;

// How that is written down.
pub mod codec;
#[cfg(any(feature = "encrypt", feature = "secure-cookies"))]
mod key_ring;

// What the handler does, and what comes of it.
mod observer;
mod plan;
mod session;
mod sessions;

// What all of these need.
mod answer;
mod clock;
mod error;
mod sync;

pub use answer::ErrorAnswer;
pub use backplane::{
    Backplane, Change, Echoed, Epoch, Event, Heartbeat, Lane, NodeId, Order, Subscription,
};
pub use clock::{Clock, Entropy, OsEntropy, SystemClock, Timestamp};
pub use codec::{Codec, CodecId};
pub use error::{Error, ErrorKind};
pub use fields::{Field, Fields};
pub use key::Key;
#[cfg(any(feature = "encrypt", feature = "secure-cookies"))]
pub use key_ring::KeyRing;
pub use namespace::Namespace;
pub use observer::{Ending, Observer, Rejection, SessionEvent, Stage};
pub use record::{Payload, Record, Revision};
pub use session::{
    FieldName, Finished, Flash, LazySession, Level, Session, SessionData, TypedSession,
};
pub use sessions::{Caching, Handle, SessionInfo, SessionLimit, Sessions, SessionsBuilder};
pub use store::{
    Consistency, Created, Load, Loaded, Qualities, Replaced, Source, Store, Touch, Touched,
};
pub use subject::{Device, Subject};
pub use subject_index::{Page, SubjectIndex};
pub use timeouts::Timeouts;
pub use token::{Partition, Token};
pub use transport::{CookieLifetime, SameSite, SessionCookie, SessionHeader};
