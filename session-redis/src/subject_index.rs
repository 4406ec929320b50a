//! Sessions by who is signed in.
//!
//! A subject's index is a sorted set of entries, in the order of their bytes: a session's
//! partition and digest, and the server's time at which the entry was made. It lies in a slot of
//! its own, so it cannot be written in one step with the session. These are the rules:
//!
//! 1. An entry is written *before* the session is. Whatever fails afterwards leaves an entry
//!    without a session, never a session without an entry.
//! 2. A session is written within [`FRESH`] of its entry, or not at all: the script that writes
//!    it looks at the clock.
//! 3. An entry without a session is removed by whoever lists it, but only [`PRUNED`] after it was
//!    made, when no write can follow it any more. Two primaries' clocks may differ by a
//!    minute.
//! 4. The index lives as long as its longest session at least. A session whose life is prolonged
//!    is listed again.
//! 5. The entry of a session that ends is removed afterwards, by whoever ended it; one that is left
//!    over is removed by rule 3.
//! 6. A session that is moved to a new key while it is being listed is not missed: the successor's
//!    entry was written before the old key died, and in the same partition. So who finds nothing
//!    behind an entry looks at that partition once more. In a walk over several pages the
//!    successor may lie on a page that was read before: then it is missed.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use redis::{Cmd, Value};
use session_core::{Error, ErrorKind, Key, Page, Record, Subject, SubjectIndex};
use tokio::time::Instant;

use crate::client::{Call, Request};
use crate::connect::Servers;
use crate::error::Failure;
use crate::names::{ENTRY, entry_key, key_of_entry};
use crate::scripts;
use crate::slot::Slot;
use crate::store::{State, millis};
use crate::value;

/// For how long after its entry a session may be written, in ms.
const FRESH: u64 = 60_000;
/// For how long an entry is left alone, in ms.
const PRUNED: u64 = 2 * FRESH;
/// How much longer than its sessions an index lives, in ms: a day, by which clocks may differ.
const MARGIN: u64 = 24 * 3_600_000;

/// An entry that was made before a point in the server's time, in ms.
pub(crate) struct Listed {
    pub(crate) subject: Subject,
    pub(crate) key: Key,
    pub(crate) at: u64,
}

/// That a session has been listed, at a point in the server's time, if it has a subject.
pub(crate) struct Listing {
    pub(crate) at: Option<u64>,
}

impl Listing {
    /// The server's time after which the session must not be written any more, for scripts.
    pub(crate) fn deadline(&self) -> String {
        self.at.map_or_else(String::new, |at| (at + FRESH).to_string())
    }
}

impl State {
    /// Lists a session that is about to be written, if it has a subject.
    pub(crate) async fn list_before(
        &self,
        key: &Key,
        record: &Record,
        until: Instant,
    ) -> Result<Listing, Error> {
        let Some(subject) = &record.subject else { return Ok(Listing { at: None }) };
        let (name, slot) = self.names.subject(subject);
        let lives = millis(record.absolute_deadline, self.clock.now()) + MARGIN;
        let request = Request::Script {
            script: &scripts::LIST_SUBJECT,
            keys: &[&name],
            arguments: &|_, command| {
                command.arg(&entry_key(key)).arg(lives);
            },
        };
        // On one server the replicas that have the session, which is waited for, have the entry.
        let wait = self.wait.filter(|_| matches!(self.client.servers, Servers::Cluster(_)));
        let call = Call { slot, request, until, is_repeatable: true, wait };
        match self.client.execute(call).await? {
            Value::Int(now) => Ok(Listing { at: Some(now.unsigned_abs()) }),
            _ => Err(Failure::strange_reply().into()),
        }
    }

    /// Removes the entries of a session that is no more. Those of the same millisecond stay: they
    /// may be of another session that has the key now.
    pub(crate) async fn unlist(&self, listed: &Listed) {
        let (name, slot) = self.names.subject(&listed.subject);
        let key = entry_key(&listed.key);
        let time = listed.at.to_be_bytes();
        let mut command = redis::cmd("ZREMRANGEBYLEX");
        command.arg(name).arg([b"[", &key[..]].concat());
        command.arg([b"(", &key[..], &time[2..]].concat());
        let (request, until) = (Request::Command(&command), self.client.until());
        let call = Call { slot, request, until, is_repeatable: true, wait: None };
        if let Err(error) = self.client.execute(call).await {
            tracing::debug!(%error, "could not remove a session from the index of its subject");
        }
    }

    /// Up to `limit` entries behind `after`, in order.
    async fn entries(
        &self,
        index: &Index<'_>,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut command = redis::cmd("ZRANGEBYLEX");
        command.arg(&index.name);
        match after {
            // Behind all entries of that key, whenever they were made.
            Some(key) => command.arg([b"(", &entry_key(key)[..], &[0xff; 7]].concat()),
            None => command.arg("-"),
        };
        command.arg("+").arg("LIMIT").arg(0).arg(limit);
        let call = index.call(Request::Command(&command));
        entries_of(self.client.execute(call).await?)
    }

    /// The keys of all entries in these partitions.
    async fn keys_within(
        &self,
        index: &Index<'_>,
        partitions: &BTreeSet<[u8; 2]>,
    ) -> Result<Vec<Key>, Error> {
        let commands: Vec<Cmd> = partitions
            .iter()
            .map(|first| {
                let mut command = redis::cmd("ZRANGEBYLEX");
                command.arg(&index.name).arg([b"[", &first[..]].concat());
                match u16::from_be_bytes(*first).checked_add(1) {
                    Some(next) => command.arg([b"(", &next.to_be_bytes()[..]].concat()),
                    None => command.arg("+"),
                };
                command
            })
            .collect();
        let calls = commands.iter().map(|command| index.call(Request::Command(command)));
        let mut keys = Vec::new();
        for answer in self.client.execute_all(index.until, calls.collect()).await? {
            keys.extend(entries_of(answer?)?.iter().map(|entry| key_of_entry(entry)));
        }
        Ok(keys)
    }

    /// What lies behind these keys.
    async fn look_behind(&self, index: &Index<'_>, keys: &[Key]) -> Result<Vec<Found>, Error> {
        let commands: Vec<Cmd> = keys
            .iter()
            .map(|key| {
                let mut command = redis::cmd("GET");
                command.arg(self.names.session(key));
                command
            })
            .collect();
        let calls = keys.iter().zip(&commands).map(|(key, command)| {
            let slot = Slot::of_partition(key.partition());
            Call { slot, ..index.call(Request::Command(command)) }
        });
        let now = self.clock.now();
        let found = self.client.execute_all(index.until, calls.collect()).await?.into_iter();
        let found = found.map(|value| match value {
            Ok(Value::Nil) => Ok(Found::Nothing),
            Ok(Value::BulkString(value)) if value::is_newer(&value) => {
                // Whoever wants to end all of somebody's sessions must not be told that it is done.
                value::decode(value).map(|_| Found::Unusable)
            }
            Ok(Value::BulkString(value)) => Ok(match value::decode(value) {
                Ok(record) if record.subject.as_ref() != Some(index.subject) => Found::Foreign,
                // By another node's clock it may go on.
                Ok(record) if record.is_expired(now) => Found::Unusable,
                Ok(record) => Found::Session(Arc::new(record)),
                Err(_) => Found::Unusable,
            }),
            Ok(_) => Err(Failure::strange_reply().into()),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Found::Unusable),
            Err(error) => Err(error),
        });
        found.collect()
    }

    /// Sessions that were moved while they were being listed: those behind entries in the same
    /// partitions as `lost`, and on this page, that nobody has looked at.
    async fn successors(
        &self,
        index: &Index<'_>,
        mut lost: Vec<Key>,
        walk: &mut Walk,
    ) -> Result<Vec<(Key, Arc<Record>)>, Error> {
        let mut sessions = Vec::new();
        for _ in 0..MOVES {
            if lost.is_empty() {
                return Ok(sessions);
            }
            let partitions = lost.iter().map(|key| *key.partition().as_bytes()).collect();
            let mut keys = self.keys_within(index, &partitions).await?;
            keys.retain(|key| walk.is_here(key) && walk.seen.insert(*key));
            lost.clear();
            for (key, found) in keys.iter().zip(self.look_behind(index, &keys).await?) {
                match found {
                    Found::Session(record) => sessions.push((*key, record)),
                    Found::Nothing => lost.push(*key),
                    Found::Foreign | Found::Unusable => {}
                }
            }
        }
        Err(Failure::unavailable("sessions keep moving while they are being listed").into())
    }

    /// Removes entries that led nowhere, if they are old enough. That it fails is no reason for
    /// a list to fail: the next one tries again.
    async fn prune(&self, index: &Index<'_>, entries: &[Vec<u8>]) {
        if entries.is_empty() {
            return;
        }
        let request = Request::Script {
            script: &scripts::PRUNE_SUBJECT,
            keys: &[&index.name],
            arguments: &|_, command| {
                command.arg(PRUNED);
                for entry in entries {
                    command.arg(entry);
                }
            },
        };
        if let Err(error) = self.client.execute(index.call(request)).await {
            tracing::debug!(%error, "could not prune the index of a subject");
        }
    }

    async fn page(
        &self,
        subject: &Subject,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Page, Error> {
        let (name, slot) = self.names.subject(subject);
        let index = Index { subject, name, slot, until: self.client.until() };
        let mut page = Page::default();
        let mut walk = Walk { start: after.copied(), end: None, seen: BTreeSet::new() };
        let mut after = after.copied();
        loop {
            let missing = limit.saturating_sub(page.sessions.len());
            // One more than is missing, to know whether there is a next page.
            let asked = missing.saturating_add(1).min(MOST);
            let entries = self.entries(&index, after.as_ref(), asked).await?;
            let is_last = entries.len() < asked;
            let mut keys: Vec<Key> = entries.iter().map(|entry| key_of_entry(entry)).collect();
            // Of a session that was listed twice the entries lie side by side.
            keys.dedup();
            let is_rest = keys.len() <= missing && is_last;
            keys.truncate(missing);
            after = keys.last().copied().or(after);
            walk.end = after.filter(|_| !is_rest);
            self.add(&mut page, &index, &mut walk, keys, entries).await?;
            if is_rest {
                return Ok(page);
            }
            if page.sessions.len() >= limit {
                page.next = after;
                return Ok(page);
            }
        }
    }

    /// Adds the sessions behind these keys to a page.
    async fn add(
        &self,
        page: &mut Page,
        index: &Index<'_>,
        walk: &mut Walk,
        keys: Vec<Key>,
        entries: Vec<Vec<u8>>,
    ) -> Result<(), Error> {
        let (mut nothing, mut foreign) = (Vec::new(), Vec::new());
        for (key, found) in keys.iter().zip(self.look_behind(index, &keys).await?) {
            match found {
                Found::Session(record) => page.sessions.push((*key, record)),
                Found::Nothing => nothing.push(*key),
                Found::Foreign => foreign.push(*key),
                Found::Unusable => {}
            }
        }
        let dead = |entry: &Vec<u8>| {
            let key = key_of_entry(entry);
            nothing.contains(&key) || foreign.contains(&key)
        };
        let dead: Vec<Vec<u8>> = entries.into_iter().filter(dead).collect();
        // What is no entry of ours has no successor.
        let made_by_us = |key: &Key| {
            dead.iter().any(|entry| entry.len() == ENTRY && entry.starts_with(&entry_key(key)))
        };
        nothing.retain(made_by_us);
        walk.seen.extend(keys);
        let moved = self.successors(index, nothing, walk).await?;
        if !moved.is_empty() {
            page.sessions.extend(moved);
            page.sessions.sort_by_key(|(key, _)| *key);
        }
        self.prune(index, &dead).await;
        Ok(())
    }
}

/// A subject's index, and until when to be done with it.
struct Index<'a> {
    subject: &'a Subject,
    name: Vec<u8>,
    slot: Slot,
    until: Instant,
}

impl Index<'_> {
    fn call<'a>(&self, request: Request<'a>) -> Call<'a> {
        let Self { subject: _, name: _, slot, until } = *self;
        Call { slot, request, until, is_repeatable: true, wait: None }
    }
}

/// Where one page of a walk begins and, unless it is the last one, ends; and what has been looked
/// at on the way.
struct Walk {
    start: Option<Key>,
    end: Option<Key>,
    seen: BTreeSet<Key>,
}

impl Walk {
    fn is_here(&self, key: &Key) -> bool {
        self.start.is_none_or(|start| *key > start) && self.end.is_none_or(|end| *key <= end)
    }
}

/// What an entry leads to.
enum Found {
    Session(Arc<Record>),
    /// Nothing: the session has ended, has been moved, or has not been written yet.
    Nothing,
    /// A session of another subject.
    Foreign,
    /// What has expired by this node's clock, or is no session.
    Unusable,
}

fn entries_of(answer: Value) -> Result<Vec<Vec<u8>>, Error> {
    let Value::Array(entries) = answer else { return Err(Failure::strange_reply().into()) };
    let bytes = |entry| match entry {
        Value::BulkString(bytes) => Ok(bytes),
        _ => Err(Failure::strange_reply().into()),
    };
    entries.into_iter().map(bytes).collect()
}

/// How often a session may be moved while it is being listed.
const MOVES: usize = 16;
/// How many entries to ask for at a time.
const MOST: usize = 512;

#[async_trait]
impl SubjectIndex for State {
    async fn list(
        &self,
        subject: &Subject,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Page, Error> {
        if limit == 0 {
            let message = "a page without room for a session never ends a walk";
            return Err(Error::new(ErrorKind::Misuse, message).during("list"));
        }
        self.page(subject, after, limit).await.map_err(|error| error.during("list"))
    }
}
