//! Taking turns: writers of one session within this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fields::Fields;
use crate::key::Key;
use crate::record::Record;
use crate::sync::lock;

/// Queues for writers of contended sessions, one each.
///
/// Conditional writes alone are correct, but of many writers at once only one gets through in
/// each round. So who finds others writing lines up behind them, first come, first served. A
/// writer that meets nobody neither waits nor is waited for. Whoever has written passes what is
/// stored now on to the next in line, who so need not fail to find out.
#[derive(Debug)]
pub(crate) struct Turns {
    shards: Box<[Shard]>,
}

/// The queues of some keys. A shard is locked for moments only: nobody waits here for a writer
/// of another session.
type Shard = Mutex<HashMap<Key, Queue>>;

/// The queue of one session, there as long as somebody has or awaits a turn.
#[derive(Debug)]
struct Queue {
    line: Arc<Semaphore>,
    /// How many have or await a turn.
    members: usize,
    /// How many writes have failed for want of a store.
    failures: u64,
    /// What the last writer has written, if somebody was waiting for it.
    written: Option<Written>,
}

/// A session as it was written last.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) key: Key,
    pub(crate) record: Arc<Record>,
    pub(crate) fields: Arc<Fields>,
}

impl Turns {
    const SHARDS: usize = 64;

    pub(crate) fn new() -> Self {
        Self { shards: std::iter::repeat_with(Shard::default).take(Self::SHARDS).collect() }
    }

    /// Waits until it is this writer's turn: at once, and without one, if nobody has the turn and
    /// this writer has met nobody yet.
    pub(crate) async fn wait(&self, key: &Key, has_met_others: bool) -> Option<Turn<'_>> {
        let (place, line, failures) = self.line_up(key, has_met_others)?;
        let permit = line.acquire_owned().await.ok()?;
        let (written, failures_since) =
            place.with_queue(|queue| (queue.written.take(), queue.failures - failures))?;
        // Who waited for a store that does not answer must not wait for its deadline once per
        // writer ahead: from here on everybody tries at the same time.
        (failures_since == 0).then_some(Turn { written, _permit: permit, place })
    }

    /// Tells those who wait that the store does not answer.
    pub(crate) fn report_failure(&self, key: &Key) {
        if let Some(queue) = lock(self.shard(key)).get_mut(key) {
            queue.failures += 1;
        }
    }

    /// A place in this session's queue, its line, and the failures so far. Only who has met
    /// others starts a queue.
    fn line_up(&self, key: &Key, has_met_others: bool) -> Option<(Place<'_>, Arc<Semaphore>, u64)> {
        let shard = self.shard(key);
        let mut queues = lock(shard);
        let queue = if has_met_others {
            queues.entry(*key).or_insert_with(Queue::new)
        } else {
            queues.get_mut(key)?
        };
        queue.members += 1;
        Some((Place { shard, key: *key }, Arc::clone(&queue.line), queue.failures))
    }

    fn shard(&self, key: &Key) -> &Shard {
        &self.shards[usize::from(key.digest()[0]) % Self::SHARDS]
    }
}

impl Queue {
    fn new() -> Self {
        Self { line: Arc::new(Semaphore::new(1)), members: 0, failures: 0, written: None }
    }
}

/// The right to write before those who wait, until dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    /// What the one before has written.
    written: Option<Written>,
    // Before the place: whoever finds the queue without this member finds its turn free.
    _permit: OwnedSemaphorePermit,
    place: Place<'a>,
}

impl Turn<'_> {
    /// What the one before has written, if it was this session and is newer than `record`.
    pub(crate) fn newer_than(&mut self, key: &Key, record: &Record) -> Option<Written> {
        let written = self.written.take()?;
        // A rotated session lies under another key.
        let is_newer = written.key == *key && written.record.revision > record.revision;
        is_newer.then_some(written)
    }

    /// Passes on what was written, if somebody waits.
    pub(crate) fn pass_on(&self, written: impl FnOnce() -> Written) {
        self.place.with_queue(|queue| {
            let is_awaited = queue.members > 1;
            queue.written = is_awaited.then(written);
        });
    }
}

/// One more who has or awaits a turn, until dropped. The last one takes the queue along.
#[derive(Debug)]
struct Place<'a> {
    shard: &'a Shard,
    key: Key,
}

impl Place<'_> {
    /// `Some`, as the queue is there as long as this is.
    fn with_queue<T>(&self, f: impl FnOnce(&mut Queue) -> T) -> Option<T> {
        lock(self.shard).get_mut(&self.key).map(f)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queues = lock(self.shard);
        if let Some(queue) = queues.get_mut(&self.key) {
            queue.members -= 1;
            if queue.members == 0 {
                queues.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::record::Revision;
    use crate::token::Partition;

    const KEY: Key = Key::from_parts(Partition::new([0; 2]), [7; 32]);

    #[tokio::test]
    async fn nobody_waits_who_meets_nobody() {
        let turns = Turns::new();
        assert!(turns.wait(&KEY, false).await.is_none());
        let held = turns.wait(&KEY, true).await;
        assert!(held.is_some());
        let mut second = std::pin::pin!(turns.wait(&KEY, false));
        assert!(poll(&mut second).await.is_none(), "somebody has the turn");
        drop(held);
        assert!(second.await.is_some());
    }

    #[tokio::test]
    async fn a_failing_store_lets_everybody_go_at_once() {
        let turns = Arc::new(Turns::new());
        let held = turns.wait(&KEY, true).await;
        let mut second = std::pin::pin!(turns.wait(&KEY, true));
        let mut third = std::pin::pin!(turns.wait(&KEY, true));
        assert!(poll(&mut second).await.is_none() && poll(&mut third).await.is_none());
        turns.report_failure(&KEY);
        drop(held);
        assert!(second.await.is_none(), "goes on, without a turn");
        assert!(third.await.is_none(), "and so does the one behind it");
    }

    #[tokio::test]
    async fn what_was_written_is_passed_on_to_who_waits() {
        let turns = Turns::new();
        let written = |revision| Written {
            key: KEY,
            record: Arc::new(record(revision)),
            fields: Arc::default(),
        };
        let first = turns.wait(&KEY, true).await.unwrap();
        first.pass_on(|| panic!("nobody waits"));
        let mut second = std::pin::pin!(turns.wait(&KEY, true));
        assert!(poll(&mut second).await.is_none());
        first.pass_on(|| written(3));
        drop(first);
        let mut second = second.await.unwrap();
        let newer = second.newer_than(&KEY, &record(2)).map(|written| written.record.revision);
        assert_eq!(newer, Some(Revision::new(3)));
        assert!(second.newer_than(&KEY, &record(2)).is_none(), "it has it already");

        let mut third = Box::pin(turns.wait(&KEY, true));
        assert!(poll(&mut third).await.is_none());
        second.pass_on(|| written(4));
        drop(third);
        drop(second);
        let mut fourth = turns.wait(&KEY, true).await.unwrap();
        assert!(fourth.newer_than(&KEY, &record(2)).is_none(), "who waited for it has gone");

        let mut fifth = std::pin::pin!(turns.wait(&KEY, true));
        assert!(poll(&mut fifth).await.is_none());
        fourth.pass_on(|| written(4));
        drop(fourth);
        assert!(fifth.await.unwrap().newer_than(&KEY, &record(4)).is_none(), "no news");
    }

    #[tokio::test]
    async fn a_hot_session_delays_no_other() {
        let turns = Turns::new();
        let mut digest = *KEY.digest();
        digest[31] += 1;
        let other = Key::from_parts(KEY.partition(), digest);
        assert!(std::ptr::eq(turns.shard(&KEY), turns.shard(&other)));

        let _held = turns.wait(&KEY, true).await;
        let mut waiting = std::pin::pin!(turns.wait(&KEY, true));
        assert!(poll(&mut waiting).await.is_none());
        let mut newcomer = std::pin::pin!(turns.wait(&other, false));
        let goes_on = poll(&mut newcomer).await;
        assert!(goes_on.expect("goes at once").is_none(), "and without a turn");
        let mut contended = std::pin::pin!(turns.wait(&other, true));
        let turn = poll(&mut contended).await;
        assert!(turn.expect("has the turn at once").is_some());
    }

    #[tokio::test]
    async fn no_queue_outlives_its_writers() {
        let turns = Turns::new();
        let queues = || turns.shards.iter().map(|shard| lock(shard).len()).sum::<usize>();
        assert!(turns.wait(&KEY, false).await.is_none());
        assert_eq!(queues(), 0, "who meets nobody starts none");

        let held = turns.wait(&KEY, true).await;
        let mut cancelled = Box::pin(turns.wait(&KEY, true));
        let mut next = Box::pin(turns.wait(&KEY, false));
        assert!(poll(&mut cancelled).await.is_none() && poll(&mut next).await.is_none());
        drop(cancelled);
        drop(held);
        assert_eq!(queues(), 1, "one still waits");
        assert!(next.await.is_some());
        assert_eq!(queues(), 0);

        let held = turns.wait(&KEY, true).await;
        let mut cancelled = Box::pin(turns.wait(&KEY, true));
        assert!(poll(&mut cancelled).await.is_none());
        drop(held);
        drop(cancelled);
        assert_eq!(queues(), 0, "cancelled when it was its turn");

        let held = turns.wait(&KEY, true).await;
        let mut let_go = Box::pin(turns.wait(&KEY, true));
        assert!(poll(&mut let_go).await.is_none());
        turns.report_failure(&KEY);
        drop(held);
        assert!(let_go.await.is_none());
        assert_eq!(queues(), 0, "the store does not answer");
    }

    fn record(revision: u64) -> Record {
        let at = crate::clock::Timestamp::from_millis(0);
        Record {
            revision: Revision::new(revision),
            created_at: at,
            authenticated_at: None,
            idle_deadline: at,
            absolute_deadline: at,
            timeouts: None,
            subject: None,
            device: None,
            payload: crate::record::Payload::default(),
        }
    }

    async fn poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = std::future::ready(()) => None,
        }
    }
}
