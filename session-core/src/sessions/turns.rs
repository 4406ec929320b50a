//! Taking turns: writers of one session within this process.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::fields::Fields;
use crate::key::Key;
use crate::record::Record;
use crate::sync::lock;

/// Queues for writers of contended sessions.
///
/// Conditional writes alone are correct, but of many writers at once only one gets through in
/// each round. So who finds others writing lines up behind them, first come, first served. A
/// writer that meets nobody neither waits nor is waited for. Whoever has written passes what is
/// stored now on to the next in line, who so need not fail to find out.
#[derive(Debug)]
pub(crate) struct Turns {
    stripes: Box<[Stripe]>,
}

#[derive(Debug)]
struct Stripe {
    queue: Semaphore,
    /// How many writes have failed for want of a store.
    failures: AtomicU64,
    waiting: AtomicUsize,
    /// What the last writer has written, if somebody was waiting for it.
    written: Mutex<Option<Written>>,
}

/// A session as it was written last.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) key: Key,
    pub(crate) record: Arc<Record>,
    pub(crate) fields: Arc<Fields>,
}

/// The right to write before those who wait, until dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    stripe: &'a Stripe,
    /// What the one before has written.
    written: Option<Written>,
    _permit: SemaphorePermit<'a>,
}

impl Turn<'_> {
    /// What the one before has written, if it was this session and is newer than `record`.
    pub(crate) fn newer_than(&mut self, key: &Key, record: &Record) -> Option<Written> {
        let written = self.written.take()?;
        let is_newer = written.key == *key && written.record.revision > record.revision;
        is_newer.then_some(written)
    }

    /// Passes on what was written, if somebody waits.
    pub(crate) fn pass_on(&self, written: impl FnOnce() -> Written) {
        let is_awaited = self.stripe.waiting.load(Ordering::Relaxed) > 0;
        *lock(&self.stripe.written) = is_awaited.then(written);
    }
}

/// One more who waits, until dropped.
struct Waiting<'a>(&'a Stripe);

impl<'a> Waiting<'a> {
    fn on(stripe: &'a Stripe) -> Self {
        stripe.waiting.fetch_add(1, Ordering::Relaxed);
        Self(stripe)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.0.waiting.fetch_sub(1, Ordering::Relaxed) == 1 {
            // The last one has it, or has gone: nobody will come for it.
            lock(&self.0.written).take();
        }
    }
}

impl Turns {
    const STRIPES: usize = 256;

    pub(crate) fn new() -> Self {
        let stripe = || Stripe {
            queue: Semaphore::new(1),
            failures: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            written: Mutex::default(),
        };
        Self { stripes: std::iter::repeat_with(stripe).take(Self::STRIPES).collect() }
    }

    /// Waits until it is this writer's turn: at once, and without one, if nobody has the turn and
    /// this writer has met nobody yet.
    pub(crate) async fn wait(&self, key: &Key, has_met_others: bool) -> Option<Turn<'_>> {
        let stripe = self.stripe(key);
        if !has_met_others && stripe.queue.available_permits() > 0 {
            return None;
        }
        let failures = stripe.failures.load(Ordering::Acquire);
        let waiting = Waiting::on(stripe);
        let permit = stripe.queue.acquire().await.ok()?;
        let written = lock(&stripe.written).take();
        drop(waiting);
        // Who waited for a store that does not answer must not wait for its deadline once per
        // writer ahead: from here on everybody tries at the same time.
        let store_answers = stripe.failures.load(Ordering::Acquire) == failures;
        store_answers.then_some(Turn { stripe, written, _permit: permit })
    }

    /// Tells those who wait that the store does not answer.
    pub(crate) fn report_failure(&self, key: &Key) {
        self.stripe(key).failures.fetch_add(1, Ordering::Release);
    }

    fn stripe(&self, key: &Key) -> &Stripe {
        &self.stripes[usize::from(key.digest()[0]) % Self::STRIPES]
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
