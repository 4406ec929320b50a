//! Taking turns: writers of one session within this process.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::key::Key;

/// Queues for writers of contended sessions.
///
/// Conditional writes alone are correct, but of many writers at once only one gets through in
/// each round. So who finds others writing lines up behind them, first come, first served. A
/// writer that meets nobody neither waits nor is waited for.
#[derive(Debug)]
pub(crate) struct Turns {
    stripes: Box<[Stripe]>,
}

#[derive(Debug)]
struct Stripe {
    queue: Semaphore,
    /// How many writes have failed for want of a store.
    failures: AtomicU64,
}

/// The right to write before those who wait, until dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    _permit: SemaphorePermit<'a>,
}

impl Turns {
    const STRIPES: usize = 256;

    pub(crate) fn new() -> Self {
        let stripe = || Stripe { queue: Semaphore::new(1), failures: AtomicU64::new(0) };
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
        let permit = stripe.queue.acquire().await.ok()?;
        // Who waited for a store that does not answer must not wait for its deadline once per
        // writer ahead: from here on everybody tries at the same time.
        let store_answers = stripe.failures.load(Ordering::Acquire) == failures;
        store_answers.then_some(Turn { _permit: permit })
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

    async fn poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = std::future::ready(()) => None,
        }
    }
}
