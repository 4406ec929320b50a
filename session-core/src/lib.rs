//! The core of session-kit.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod backplane;
mod clock;
pub mod codec;
mod error;
mod fields;
mod key;
#[cfg(any(feature = "encrypt", feature = "secure-cookies"))]
mod key_ring;
mod namespace;
mod plan;
mod record;
mod session;
mod sessions;
mod store;
mod subject;
mod subject_index;
mod sync;
mod timeouts;
mod token;
mod transport;

pub use backplane::{Backplane, Change, Epoch, Event, Lane, NodeId, Subscription};
pub use clock::{Clock, Entropy, OsEntropy, SystemClock, Timestamp};
pub use codec::{Codec, CodecId};
pub use error::{Error, ErrorKind};
pub use fields::{Field, Fields};
pub use key::Key;
#[cfg(any(feature = "encrypt", feature = "secure-cookies"))]
pub use key_ring::KeyRing;
pub use namespace::Namespace;
pub use record::{Payload, Record, Revision};
pub use session::{
    FieldName, Finished, Flash, LazySession, Level, Session, SessionData, TypedSession,
};
pub use sessions::{Caching, Handle, SessionInfo, Sessions, SessionsBuilder};
pub use store::{
    Consistency, Created, Load, Loaded, Qualities, Replaced, Source, Store, Touch, Touched,
};
pub use subject::{Device, Subject};
pub use subject_index::{Page, SubjectIndex};
pub use timeouts::Timeouts;
pub use token::{Partition, Token};
pub use transport::{CookieLifetime, SameSite, SessionCookie, SessionHeader};
