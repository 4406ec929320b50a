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

use std::sync::Arc;

use async_trait::async_trait;
use redis::{Cmd, Value};
use session_core::{Error, ErrorKind, Key, Page, Record, Subject, SubjectIndex};

use crate::client::{Call, Request};
use crate::error::Failure;
use crate::names::{entry_key, key_of_entry};
use crate::scripts;
use crate::slot::Slot;
use crate::store::{State, millis};
use crate::value;

/// For how long after its entry a session may be written, in ms.
const FRESH: u64 = 60_000;
/// For how long an entry is left alone, in ms.
const PRUNED: u64 = 2 * FRESH;

impl State {
    /// Lists a session that is about to be written, if it has a subject. Returns the server's
    /// time after which it must not be written any more, or nothing.
    pub(crate) async fn listed(&self, key: &Key, record: &Record) -> Result<String, Error> {
        let Some(subject) = &record.subject else { return Ok(String::new()) };
        let (name, slot) = self.names.subject(subject);
        let lives = millis(record.absolute_deadline, self.clock.now()) + PRUNED;
        let request = Request::Script {
            script: &scripts::LIST_SUBJECT,
            keys: &[&name],
            arguments: &|_, command| {
                command.arg(&entry_key(key)).arg(lives);
            },
        };
        match self.client.execute(Call { slot, request, is_repeatable: true, wait: None }).await? {
            Value::Int(now) => Ok((now.unsigned_abs() + FRESH).to_string()),
            _ => Err(Failure::strange_reply().into()),
        }
    }

    /// Up to `limit` entries behind `after`, in order.
    async fn entries(
        &self,
        name: &[u8],
        slot: Slot,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut command = redis::cmd("ZRANGEBYLEX");
        command.arg(name);
        match after {
            // Behind all entries of that key, whenever they were made.
            Some(key) => command.arg([b"(", &entry_key(key)[..], &[0xff; 7]].concat()),
            None => command.arg("-"),
        };
        command.arg("+").arg("LIMIT").arg(0).arg(limit);
        let request = Request::Command(&command);
        let call = Call { slot, request, is_repeatable: true, wait: None };
        let Value::Array(entries) = self.client.execute(call).await? else {
            return Err(Failure::strange_reply().into());
        };
        let bytes = |entry| match entry {
            Value::BulkString(bytes) => Ok(bytes),
            _ => Err(Failure::strange_reply().into()),
        };
        entries.into_iter().map(bytes).collect()
    }

    /// The sessions behind these keys, where there are any.
    async fn load_all(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, Error> {
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
            let request = Request::Command(command);
            Call { slot, request, is_repeatable: true, wait: None }
        });
        let now = self.clock.now();
        let records = self.client.execute_all(calls.collect()).await?.into_iter();
        let records = records.map(|value| match value {
            Value::Nil => Ok(None),
            Value::BulkString(value) => match value::decode(value) {
                Ok(record) => Ok(Some(record).filter(|record| !record.is_expired(now))),
                // What is no session is nobody's.
                Err(_) => Ok(None),
            },
            _ => Err(Failure::strange_reply().into()),
        });
        records.collect()
    }

    /// Removes entries that led nowhere, if they are old enough. That it fails is no reason for
    /// a list to fail: the next one tries again.
    async fn prune(&self, name: &[u8], slot: Slot, entries: &[Vec<u8>]) {
        if entries.is_empty() {
            return;
        }
        let request = Request::Script {
            script: &scripts::PRUNE_SUBJECT,
            keys: &[name],
            arguments: &|_, command| {
                command.arg(PRUNED);
                for entry in entries {
                    command.arg(entry);
                }
            },
        };
        let call = Call { slot, request, is_repeatable: true, wait: None };
        if let Err(error) = self.client.execute(call).await {
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
        let mut page = Page::default();
        let mut after = after.copied();
        loop {
            let missing = limit - page.sessions.len();
            // One more than is missing, to know whether there is a next page.
            let asked = missing.saturating_add(1).min(MOST);
            let entries = self.entries(&name, slot, after.as_ref(), asked).await?;
            let is_last = entries.len() < asked;
            let mut keys: Vec<Key> = Vec::with_capacity(entries.len());
            keys.extend(entries.iter().map(|entry| key_of_entry(entry)));
            // Of a session that was listed twice the entries lie side by side.
            keys.dedup();
            let is_rest = keys.len() <= missing && is_last;
            keys.truncate(missing);
            let records = self.load_all(&keys).await?;
            let mut dead = Vec::new();
            for (key, record) in keys.iter().zip(records) {
                match record {
                    Some(record) if record.subject.as_ref() == Some(subject) => {
                        page.sessions.push((*key, Arc::new(record)));
                    }
                    _ => dead.push(*key),
                }
            }
            let is_dead = |entry: &Vec<u8>| dead.contains(&key_of_entry(entry));
            let dead: Vec<Vec<u8>> = entries.into_iter().filter(is_dead).collect();
            self.prune(&name, slot, &dead).await;
            if is_rest {
                return Ok(page);
            }
            after = keys.last().copied().or(after);
            if page.sessions.len() == limit {
                page.next = after;
                return Ok(page);
            }
        }
    }
}

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
