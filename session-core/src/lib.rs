//! The core of session-kit.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod backplane;
mod clock;
pub mod codec;
mod error;
mod fields;
mod key;
mod namespace;
mod record;
mod store;
mod subject;
mod subject_index;
mod timeouts;
mod token;

pub use backplane::{Backplane, Change, Epoch, Event, Lane, NodeId, Subscription};
pub use clock::{Clock, Entropy, OsEntropy, SystemClock, Timestamp};
pub use codec::{Codec, CodecId};
pub use error::{Error, ErrorKind};
pub use fields::{Field, Fields};
pub use key::Key;
pub use namespace::Namespace;
pub use record::{Payload, Record, Revision};
pub use store::{
    Consistency, Created, Load, Loaded, Qualities, Replaced, Source, Store, Touch, Touched,
};
pub use subject::{Device, Subject};
pub use subject_index::{Page, SubjectIndex};
pub use timeouts::Timeouts;
pub use token::{Partition, Token};
