//! The Redis store of session-kit: sessions that every instance of a service shares, on one
//! server, behind Sentinels, or in a Cluster.
//!
//! [`RedisStore`] is a complete [`Store`](session_core::Store): conditional writes, a
//! [subject index](session_core::SubjectIndex) and a [backplane](session_core::Backplane).
//! [`RedisNonces`] remembers what may be used only once.
//!
//! Needed is Redis 7.0 or later. Valkey should do, and is not tested.
//!
//! # Example
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use session_core::Sessions;
//! use session_redis::{RedisStore, Topology};
//!
//! # fn main() -> Result<(), session_core::Error> {
//! let topology = Topology::single("redis://shop:secret@redis.internal/")?;
//! let store = RedisStore::builder(topology)
//!     .namespace("shop")
//!     .timeout(Duration::from_millis(300))
//!     .build()?;
//! let sessions = Sessions::builder(store).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it costs
//!
//! | operation | sent to Redis, each in one round trip |
//! |---|---|
//! | load | one `GET`; one script if a revision is known |
//! | create, replace, rotate, delete | one script |
//! | touch | one script for each session, all in one go for each server |
//! | create or rotate of a session that is somebody's | one script more, before it: the index |
//! | replace that gives a new subject or a longer life | two more |
//! | the end of somebody's session | one `ZREMRANGEBYLEX` more, afterwards: nobody waits for it |
//! | list a subject's sessions | one `ZRANGEBYLEX`, then one `GET` for each, in one go; one script to remove what led nowhere |
//! | claim a nonce | one `SET`, and one `INFO` for each primary every ten seconds |
//!
//! [`Consistency::Replica`](session_core::Consistency::Replica) lets a replica answer a read, behind
//! Sentinels and in a Cluster. It may be behind, and may still have a session that has just ended.
//! What it does not have, or does not tell in half the deadline, the primary is asked for.
//!
//! A write and its expiry and its announcement are one step on the server. There is one
//! connection to each primary, which all calls share.
//!
//! # What is stored
//!
//! One string per session, `namespace:{partition}:digest`: the digest is that of the session's
//! token, which is not stored, and the partition in braces puts a session and its successor into
//! one slot of a Cluster. Its value is a header and the payload. The first 36 bytes of the header
//! are at fixed places, integers are big-endian, points in time are milliseconds since the Unix
//! epoch:
//!
//! | offset | size | |
//! |---|---|---|
//! | 0 | 2 | `S` and the version of the format, 1 |
//! | 2 | 2 | where the payload begins |
//! | 4 | 8 | revision |
//! | 12 | 8 | idle deadline |
//! | 20 | 8 | absolute deadline |
//! | 28 | 8 | created at |
//! | 36 | … | flags, then subject, time of log-in, timeouts and device where there are any |
//!
//! So a program in another language reads a session whose payload is neither compressed nor
//! encrypted, here in Python:
//!
//! ```python
//! value = redis.get(key)
//! revision, idle_deadline, absolute_deadline = struct.unpack(">Qqq", value[4:28])
//! fields = json.loads(value[int.from_bytes(value[2:4], "big"):] or "{}")
//! ```
//!
//! Beside the sessions there are, in the same namespace: an index of the sessions of each subject
//! (`namespace:subject:{digest}`), the heartbeats of nodes that listen
//! (`namespace:{partition}:nodes`, a hash), the epoch of the data (`namespace:{partition}:epoch`, in a
//! Cluster one for each primary; to delete them empties the caches of every node), and nonces (`namespace:nonce:{digest}`). Channels
//! are `namespace:changes` and `namespace:echo:node`, in a Cluster with the primary's id behind.
//!
//! # Permissions
//!
//! A user of its own needs no more than this, here for the namespace `shop`; the last line is for
//! nonces, [`wait`](RedisStoreBuilder::wait), a [client name](RedisStoreBuilder::client_name), a
//! database other than 0, and a Cluster:
//!
//! ```text
//! ACL SETUSER shop on >secret ~shop:* &shop:*
//!   +get +set +del +exists +getrange +setrange +pexpire +pttl +zadd +zrem +zrangebylex +zremrangebylex
//!   +hmget +hset +hdel +hgetall
//!   +eval +evalsha +time +publish +subscribe +ping +role
//!   +info +wait +client|setname +select +cluster|nodes +asking +readonly
//! ```
//!
//! On the Sentinels:
//!
//! ```text
//!   +sentinel|master +sentinel|replicas +sentinel|get-master-addr-by-name +subscribe
//!   &+switch-master &+promoted-slave
//! ```
//!
//! # Failures
//!
//! Every call ends by its [deadline](RedisStoreBuilder::timeout), one that waits for replicas by
//! that and the time for those, whatever is tried on the way. A call is sent again only if it was not executed for certain, such as by a server that is no
//! primary any more, or, once, if executing it twice does no harm: reads, touches and deletes. A
//! write that was cut off is an error, and its outcome unknown.
//!
//! While there is no connection calls fail at once; attempts to connect go on in the background,
//! a few in a second, each after asking the Sentinels again. A server that says it is a
//! replica is left, and so is a master whom the Sentinels have replaced.
//!
//! What the server refuses has the server's word for it in the error's context, as `code`:
//! `OOM` is [`Full`](session_core::ErrorKind::Full), what is no session is
//! [`Corrupt`](session_core::ErrorKind::Corrupt), a write that came too late to be listed is
//! [`Timeout`](session_core::ErrorKind::Timeout), one that too few replicas have confirmed is
//! [`NotReplicated`](session_core::ErrorKind::NotReplicated); what concerns the server (`LOADING`, `MISCONF`,
//! `NOREPLICAS`, `READONLY`, `CLUSTERDOWN`, `MAXCLIENTS`, `WRONGPASS`, `NOPERM`, …) is
//! [`Unavailable`](session_core::ErrorKind::Unavailable).
//!
//! # What it does not promise
//!
//! Redis replicates asynchronously: a failover may lose what the old primary has acknowledged
//! last. [`wait`](RedisStoreBuilder::wait) narrows that for log-ins, rotations and log-outs, and
//! `appendfsync always` makes a single server keep its word through a crash.
//!
//! **Use `maxmemory-policy noeviction`** ([`RedisNonces`] insists). A server that evicts keys logs people out when memory is
//! short; and since indexes of subjects are used less than sessions, it may forget first who is
//! signed in where, so that "sign out everywhere" misses sessions that live.
//!
//! While a slot of a Cluster is half way between two servers, no session in it can be rotated: the
//! successor is in neither. Such a call waits, and fails at its deadline if the move gets stuck.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
#[cfg(feature = "tls")]
mod tls;
mod topology;

mod backplane;
mod nonce;
mod store;
mod subject_index;

mod client;
mod connect;
mod scripts;
mod slot;

mod announcement;
mod names;
mod value;

mod background;
mod error;
mod sync;

pub use builder::RedisStoreBuilder;
pub use nonce::{Claim, RedisNonces};
pub use store::RedisStore;
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
pub use tls::Tls;
pub use topology::Topology;
