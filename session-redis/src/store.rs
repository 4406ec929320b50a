//! The store, and how it keeps the contract.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use redis::{Cmd, Value};
use session_core::{
    Backplane, Change, Clock, Consistency, Created, Error, Key, Load, Loaded, Qualities, Record,
    Replaced, Revision, Source, Store, Subject, SubjectIndex, Timestamp, Touch, Touched,
};
use tokio::time::{Instant, timeout};

use crate::announcement;
use crate::backplane::RedisBackplane;
use crate::builder::RedisStoreBuilder;
use crate::client::{Call, Client, Request, Wait};
use crate::connect::Primary;
use crate::error::Failure;
use crate::names::Names;
use crate::scripts;
use crate::slot::Slot;
use crate::subject_index::Listed;
use crate::topology::Topology;
use crate::value;

/// Keeps sessions in Redis.
///
/// A clone is another handle of the same connections.
#[derive(Clone)]
pub struct RedisStore {
    state: Arc<State>,
}

/// What the handles of a store share.
pub(crate) struct State {
    pub(crate) client: Client,
    pub(crate) names: Names,
    pub(crate) clock: Arc<dyn Clock>,
    /// For log-ins, rotations and log-outs.
    pub(crate) wait: Option<Wait>,
    pub(crate) announces: bool,
}

impl RedisStore {
    /// A store on these servers. Nothing is connected before the first call.
    #[must_use = "nothing is built before `build`"]
    pub fn builder(topology: Topology) -> RedisStoreBuilder {
        RedisStoreBuilder::new(topology)
    }

    pub(crate) fn from_state(state: State) -> Self {
        Self { state: Arc::new(state) }
    }

    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Removes the entry of a session that is no more. Nobody needs to wait for that: what stays
    /// is found to lead nowhere by the next list.
    fn unlist(&self, listed: Listed) {
        let state = Arc::clone(&self.state);
        tokio::spawn(async move { state.unlist(&listed).await });
    }
}

/// Which servers, and how things are with them. No address of a session, no password.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let State { client, names, clock: _, wait, announces } = &*self.state;
        f.debug_struct("RedisStore")
            .field("client", client)
            .field("names", names)
            .field("wait", wait)
            .field("announces", announces)
            .finish()
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        self.state.load(key, load).await.map_err(|error| error.during("load"))
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        self.state.create(key, record).await.map_err(|error| error.during("create"))
    }

    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        let replaced = self.state.replace(key, record, expected).await;
        replaced.map_err(|error| error.during("replace"))
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        let rotated = self.state.rotate(from, to, record, expected).await;
        let (rotated, listed) = rotated.map_err(|error| error.during("rotate"))?;
        if let (Some(listed), Replaced::Replaced(_)) = (listed, &rotated) {
            self.unlist(listed);
        }
        Ok(rotated)
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        self.state.touch(touches).await.map_err(|error| error.during("touch"))
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        let (was_there, listed) =
            self.state.delete(key).await.map_err(|error| error.during("delete"))?;
        if let Some(listed) = listed {
            self.unlist(listed);
        }
        Ok(was_there)
    }

    /// Redis does that by itself.
    async fn purge_expired(&self, _limit: usize) -> Result<usize, Error> {
        Ok(0)
    }

    async fn fence(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        Some(&*self.state)
    }

    fn backplane(&self) -> Option<Arc<dyn Backplane>> {
        if !self.state.announces {
            return None;
        }
        Some(Arc::new(RedisBackplane::new(Arc::clone(&self.state))))
    }

    fn qualities(&self) -> Qualities {
        Qualities::NONE.durable().shared().native_expiry()
    }
}

impl State {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        let until = self.client.until();
        let name = self.names.session(key);
        let slot = Slot::of_partition(key.partition());
        if load.consistency == Consistency::Replica
            && let Some(value) = self.load_from_replica(&name, slot).await
        {
            return self.loaded(value, None);
        }
        let value = match load.known {
            None => {
                let mut command = Cmd::with_capacity(2, name.len() + 3);
                command.arg("GET").arg(&name);
                self.read(slot, Request::Command(&command), until).await?
            }
            Some(known) => {
                let request = Request::Script {
                    script: &scripts::LOAD_NEWER,
                    keys: &[&name],
                    arguments: &|_, command| {
                        command.arg(&value::revision_bytes(known));
                    },
                };
                self.read(slot, request, until).await?
            }
        };
        self.loaded(value, load.known)
    }

    async fn read(&self, slot: Slot, request: Request<'_>, until: Instant) -> Result<Value, Error> {
        self.client.execute(Call { slot, request, until, is_repeatable: true, wait: None }).await
    }

    /// `None` if no replica has it, or none answers; the primary will. What a replica does not
    /// have may not have reached it yet: that is no reason to take somebody's cookie away.
    async fn load_from_replica(&self, name: &[u8], slot: Slot) -> Option<Value> {
        let link = self.client.servers.replica(slot)?;
        // If there is none yet, connecting begins, for the reads to come.
        let mut connection = link.current()?.multiplexed;
        let mut command = Cmd::with_capacity(2, name.len() + 3);
        command.arg("GET").arg(name);
        // Half the time, so that there is some left for the primary.
        let answer = timeout(self.client.timeout / 2, connection.send_packed_command(&command));
        let Ok(answer) = answer.await else {
            link.doubt();
            return None;
        };
        answer.and_then(Value::extract_error).ok().filter(|value| *value != Value::Nil)
    }

    fn loaded(&self, value: Value, known: Option<Revision>) -> Result<Loaded, Error> {
        let is_known = |head: value::Head| Some(head.revision) == known;
        match value {
            Value::Nil => Ok(Loaded::Absent),
            Value::BulkString(head)
                if head.len() == value::HEAD && value::decode_head(&head).is_ok_and(is_known) =>
            {
                let head = value::decode_head(&head)?;
                let end = head.idle_deadline.min(head.absolute_deadline);
                if self.clock.now() >= end {
                    return Ok(Loaded::Absent);
                }
                Ok(Loaded::Unchanged { idle_deadline: head.idle_deadline })
            }
            Value::BulkString(value) => {
                let record = value::decode(value)?;
                if record.is_expired(self.clock.now()) {
                    return Ok(Loaded::Absent);
                }
                Ok(Loaded::Found { record: Arc::new(record), source: Source::Shared })
            }
            _ => Err(Failure::strange_reply().into()),
        }
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        const REVISION: Revision = Revision::new(1);
        let until = self.client.until();
        let deadline = self.list_before(key, record, until).await?.deadline();
        let now = self.clock.now();
        let (value, ttl) = (value::encode(record, REVISION), ttl(record, now));
        let announcement = announcement::encode(key, Change::Revision(REVISION));
        let name = self.names.session(key);
        let request = Request::Script {
            script: &scripts::CREATE,
            keys: &[&name],
            arguments: &|primary, command| {
                command.arg(now.as_millis()).arg(&value).arg(ttl);
                self.announce(primary, &[&announcement], command);
                command.arg(&deadline);
            },
        };
        // Without a subject there is nobody to be signed in.
        let wait = self.wait.filter(|_| record.subject.is_some());
        match self.write(key, request, until, wait).await? {
            Value::Int(1) => Ok(Created::Created(REVISION)),
            Value::Int(0) => Ok(Created::Duplicate),
            _ => Err(Failure::strange_reply().into()),
        }
    }

    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        /// The session has got a new subject, or a longer life.
        const TO_BE_LISTED: Value = Value::Int(2);
        let until = self.client.until();
        let answer = self.try_replace(key, record, expected, until, "").await?;
        let answer = if answer == TO_BE_LISTED {
            let deadline = self.list_before(key, record, until).await?.deadline();
            self.try_replace(key, record, expected, until, &deadline).await?
        } else {
            answer
        };
        self.replaced(answer, expected.next())
    }

    async fn try_replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
        until: Instant,
        deadline: &str,
    ) -> Result<Value, Error> {
        let now = self.clock.now();
        let (value, ttl) = (value::encode(record, expected.next()), ttl(record, now));
        let announcement = announcement::encode(key, Change::Revision(expected.next()));
        let subject = match &record.subject {
            Some(_) => value::subject_block(record),
            None => Vec::new(),
        };
        let name = self.names.session(key);
        let request = Request::Script {
            script: &scripts::REPLACE,
            keys: &[&name],
            arguments: &|primary, command| {
                command.arg(now.as_millis()).arg(&value::revision_bytes(expected));
                command.arg(&value).arg(ttl);
                self.announce(primary, &[&announcement], command);
                command.arg(&subject).arg(deadline);
            },
        };
        self.write(key, request, until, None).await
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<(Replaced, Option<Listed>), Error> {
        let until = self.client.until();
        let listing = self.list_before(to, record, until).await?;
        let deadline = listing.deadline();
        let now = self.clock.now();
        let revision = expected.next();
        let (value, ttl) = (value::encode(record, revision), ttl(record, now));
        let end = announcement::encode(from, Change::Removed);
        let beginning = announcement::encode(to, Change::Revision(revision));
        let names = [self.names.session(from), self.names.session(to)];
        let request = Request::Script {
            script: &scripts::ROTATE,
            keys: &[&names[0], &names[1]],
            arguments: &|primary, command| {
                command.arg(now.as_millis()).arg(&value::revision_bytes(expected));
                command.arg(&value).arg(ttl);
                self.announce(primary, &[&end, &beginning], command);
                command.arg(&deadline);
            },
        };
        let answer = self.write(from, request, until, self.wait).await?;
        let before = listing.at.zip(record.subject.clone());
        let before = before.map(|(at, subject)| Listed { subject, key: *from, at });
        Ok((self.replaced(answer, revision)?, before))
    }

    fn replaced(&self, answer: Value, revision: Revision) -> Result<Replaced, Error> {
        match answer {
            Value::Int(1) => Ok(Replaced::Replaced(revision)),
            Value::Int(0) => Ok(Replaced::Gone),
            Value::BulkString(current) => Ok(Replaced::Conflict(Arc::new(value::decode(current)?))),
            _ => Err(Failure::strange_reply().into()),
        }
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        let until = self.client.until();
        let now = self.clock.now();
        let names: Vec<Vec<u8>> =
            touches.iter().map(|touch| self.names.session(&touch.key)).collect();
        let keys: Vec<[&[u8]; 1]> = names.iter().map(|name| [name.as_slice()]).collect();
        let arguments: Vec<_> = touches
            .iter()
            .map(|touch| {
                let deadline = touch.idle_deadline;
                move |_: &Primary, command: &mut Cmd| {
                    command.arg(now.as_millis());
                    command.arg(&deadline.as_millis().to_be_bytes());
                    command.arg(deadline.as_millis());
                    command.arg(millis(deadline, now));
                }
            })
            .collect();
        let calls = touches.iter().zip(&keys).zip(&arguments).map(|((touch, keys), arguments)| {
            let request = Request::Script { script: &scripts::TOUCH, keys, arguments };
            let slot = Slot::of_partition(touch.key.partition());
            Call { slot, request, until, is_repeatable: true, wait: None }
        });
        let answers = self.client.execute_all(until, calls.collect()).await?;
        let touched = answers.into_iter().map(|answer| match answer? {
            Value::Int(1) => Ok(Touched::Done),
            Value::Int(0) => Ok(Touched::Gone),
            _ => Err(Failure::strange_reply().into()),
        });
        touched.collect()
    }

    async fn delete(&self, key: &Key) -> Result<(bool, Option<Listed>), Error> {
        let until = self.client.until();
        let now = self.clock.now();
        let announcement = announcement::encode(key, Change::Removed);
        let name = self.names.session(key);
        let request = Request::Script {
            script: &scripts::DELETE,
            keys: &[&name],
            arguments: &|primary, command| {
                command.arg(now.as_millis());
                self.announce(primary, &[&announcement], command);
            },
        };
        let slot = Slot::of_partition(key.partition());
        // Deleting twice does no harm: that the second finds nothing is the lesser evil.
        let call = Call { slot, request, until, is_repeatable: true, wait: self.wait };
        match self.client.execute(call).await? {
            Value::Int(removed) => Ok((removed > 0, None)),
            Value::Array(removed) => match removed.as_slice() {
                [Value::Int(removed), Value::BulkString(subject), Value::Int(at)] => {
                    let subject = std::str::from_utf8(subject).ok();
                    let subject = subject.and_then(|subject| Subject::new(subject).ok());
                    let at = at.unsigned_abs();
                    let listed = subject.map(|subject| Listed { subject, key: *key, at });
                    Ok((*removed > 0, listed))
                }
                _ => Err(Failure::strange_reply().into()),
            },
            _ => Err(Failure::strange_reply().into()),
        }
    }

    async fn write(
        &self,
        key: &Key,
        request: Request<'_>,
        until: Instant,
        wait: Option<Wait>,
    ) -> Result<Value, Error> {
        let slot = Slot::of_partition(key.partition());
        self.client.execute(Call { slot, request, until, is_repeatable: false, wait }).await
    }

    /// Adds what a script announces, and where.
    fn announce(&self, primary: &Primary, announcements: &[&[u8]], command: &mut Cmd) {
        if self.announces {
            command.arg(&*self.names.changes(primary.id.as_deref()));
        } else {
            command.arg("");
        }
        for announcement in announcements {
            command.arg(*announcement);
        }
    }
}

/// For how long the server is to keep a session, by its own clock: only the difference between
/// two points in time of this node's clock is told to it.
fn ttl(record: &Record, now: Timestamp) -> u64 {
    millis(record.idle_deadline.min(record.absolute_deadline), now)
}

pub(crate) fn millis(until: Timestamp, now: Timestamp) -> u64 {
    // Zero would be refused. What has ended already ends with the next millisecond.
    (until.since(now).as_millis() as u64).clamp(1, LONGEST_LIFE)
}

/// A hundred years, in ms; the server adds the time to its own, which must not overflow.
pub(crate) const LONGEST_LIFE: u64 = 100 * 366 * 24 * 3_600_000;
