//! What a store announces.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use session_core::{
    Backplane, Change, Echoed, Event, Heartbeat, Key, Lane, NodeId, Replaced, Revision,
    Subscription,
};
use tokio::time::timeout;

use crate::checked::{Checked, together};
use crate::clauses::concurrency::TASKS;
use crate::harness::Harness;
use crate::sample;

const NO_BACKPLANE: &str = "the store has no backplane";
/// How long an event may be on its way before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Every create, replace and rotation is announced, once its write is acknowledged and in the
/// order of the writes: with the new revision, and a key that was rotated away as removed.
pub async fn backplane_announces_changes(harness: &dyn Harness) {
    let store = Checked::of(backplane_announces_changes, harness);
    let now = harness.now();
    for _ in 0..3 {
        let from = sample::key();
        let to = sample::key_beside(&from);
        let Some(mut listener) = Listener::on(&store, &from).await else { return };
        let same_lane = listener.backplane.lane_of(&to) == Some(listener.lane);
        store.assert(same_lane, "a session and its successor are announced on different lanes");

        let created = store.created(&from, &sample::record(now)).await;
        let replaced = store.replaced(&from, &sample::record(now), created).await;
        let rotated = store.rotated(&from, &to, &sample::record(now), replaced).await;
        let mut events = listener.changes_of(&[from, to]).await;

        let expected = [
            (0, Change::Revision(created)),
            (0, Change::Revision(replaced)),
            (0, Change::Removed),
            (1, Change::Revision(rotated)),
        ];
        // The two halves of a rotation have no order among themselves.
        if events.get(3) == Some(&expected[2]) {
            events.swap(2, 3);
        }
        store.assert(
            events == expected,
            format_args!(
                "create, replace, rotate to key 1 were announced as {events:?}, not {expected:?}"
            ),
        );
    }
}

/// Every delete is announced, even of what was not there: a cache may hold it all the same.
pub async fn backplane_announces_deletes(harness: &dyn Harness) {
    let store = Checked::of(backplane_announces_deletes, harness);
    let (key, missing) = (sample::key(), sample::key());
    store.created(&key, &sample::record(harness.now())).await;

    let Some(mut listener) = Listener::on(&store, &key).await else { return };
    store.delete(&key).await;
    let events = listener.changes_of(&[key]).await;
    store.assert(
        events == [(0, Change::Removed)],
        format_args!("the delete of a live session was announced as {events:?}"),
    );
    store.delete(&key).await;
    let events = listener.changes_of(&[key]).await;
    store.assert(
        events == [(0, Change::Removed)],
        format_args!("a second delete was announced as {events:?}"),
    );

    let Some(mut listener) = Listener::on(&store, &missing).await else { return };
    store.delete(&missing).await;
    let events = listener.changes_of(&[missing]).await;
    store.assert(
        events == [(0, Change::Removed)],
        format_args!("the delete of a key that never was is announced as {events:?}"),
    );
}

/// Touches are frequent and change nothing that a cache may not find out later: they are not
/// announced.
pub async fn backplane_announces_no_touch(harness: &dyn Harness) {
    let store = Checked::of(backplane_announces_no_touch, harness);
    let (key, record) = (sample::key(), sample::record(harness.now()));
    store.created(&key, &record).await;
    let Some(mut listener) = Listener::on(&store, &key).await else { return };
    store.touched(&key, record.idle_deadline.plus(harness.tick())).await;
    let events = listener.changes_of(&[key]).await;
    store.assert(events.is_empty(), format_args!("a touch was announced as {events:?}"));
}

/// Announcements of one session come in the order in which its writes were executed, without a
/// gap, whichever task or process wrote.
pub async fn backplane_keeps_the_order(harness: &dyn Harness) {
    let store = Checked::of(backplane_keeps_the_order, harness);
    let (key, record) = (sample::key(), sample::record(harness.now()));
    let first = store.created(&key, &record).await;
    let Some(mut listener) = Listener::on(&store, &key).await else { return };
    let handles = store.handles(harness).await;
    let written = together(handles.iter().cycle().take(TASKS).cloned().map(|store| {
        let record = record.clone();
        async move {
            let (mut written, mut expected) = (Vec::new(), first);
            while written.len() < 20 {
                match store.replace(&key, &record, expected).await {
                    Replaced::Replaced(revision) => {
                        written.push(revision);
                        expected = revision;
                    }
                    Replaced::Conflict(current) => expected = current.revision,
                    Replaced::Gone => store.fail("replace answered Gone for a live session"),
                }
            }
            written
        }
    }))
    .await;
    let mut written: Vec<Revision> = written.concat();
    written.sort();
    let announced = listener.changes_of(&[key]).await;
    let announced: Vec<Change> = announced.into_iter().map(|(_, change)| change).collect();
    let written: Vec<Change> = written.into_iter().map(Change::Revision).collect();
    let (count, expected) = (announced.len(), written.len());
    let message = format!("{count} of {expected} writes were announced, or not in their order");
    store.assert(announced == written, message);
}

/// An echo comes back to the node that sent it, and to no other, behind everything that was
/// acknowledged before it was sent. It carries the epoch, which stays as long as the data does.
pub async fn backplane_echo_comes_last(harness: &dyn Harness) {
    let store = Checked::of(backplane_echo_comes_last, harness);
    let (key, record) = (sample::key(), sample::record(harness.now()));
    let Some(mut listener) = Listener::on(&store, &key).await else { return };
    let Some(mut other) = Listener::on(&store, &key).await else { return };
    let handles = store.handles(harness).await;
    let epoch = listener.echo().await.epoch;
    listener.until_echo().await;
    for _ in 0..20 {
        // Written by others, too: what counts is that it was acknowledged before.
        let keys: [Key; TASKS] = std::array::from_fn(|_| sample::key_beside(&key));
        together(handles.iter().cycle().cloned().zip(keys).map(|(store, key)| {
            let record = record.clone();
            async move { store.created(&key, &record).await }
        }))
        .await;
        other.echo().await;
        let again = listener.echo().await;
        store.assert(again.epoch == epoch, "the epoch changed, although the data did not");
        let events = listener.until_echo().await;
        for key in keys {
            let announced = events
                .iter()
                .any(|event| matches!(event, Event::Changed(changed, _) if *changed == key));
            store.assert(announced, "an echo overtook the announcement of an earlier write");
        }
        other.until_echo().await;
    }
}

/// An echo leaves a heartbeat with the numbers of its node, which no late one lowers; the order of
/// heartbeats is that of the echoes. A nudge is heard by every node, behind what was acknowledged
/// before it.
pub async fn backplane_tells_of_nodes(harness: &dyn Harness) {
    let store = Checked::of(backplane_tells_of_nodes, harness);
    let key = sample::key();
    let Some(mut one) = Listener::on(&store, &key).await else { return };
    let Some(mut other) = Listener::on(&store, &key).await else { return };
    store.assert(one.heartbeat().await.is_none(), "a node that has sent no echo is listed");

    for (number, handled) in [(1, 0), (2, 1), (3, 1)] {
        let echoed = one.echo_as(number, handled).await;
        one.listed(number, handled, echoed).await;
    }
    let others = other.echo_as(1, 0).await;
    other.listed(1, 0, others).await;
    let late = one.echo_as(2, 0).await;
    store.assert(late.order > others.order, "a later echo is not behind an earlier one");
    one.listed(3, 1, late).await;
    other.listed(1, 0, others).await;

    for listener in [&mut one, &mut other] {
        store.created(&sample::key_beside(&key), &sample::record(harness.now())).await;
        let nudged = listener.backplane.nudge(listener.lane).await;
        store.answer("nudge", nudged);
    }
    for listener in [&mut one, &mut other] {
        listener.echo_as(4, 0).await;
        let events = listener.until_number(4).await;
        let changes_and_nudges = events.iter().filter(|event| !matches!(event, Event::Echo(_)));
        let is_nudge: Vec<bool> = changes_and_nudges.map(|it| *it == Event::Nudge).collect();
        store.assert(
            is_nudge == [false, true, false, true],
            format_args!("a write and a nudge, twice, were heard as {events:?}"),
        );
    }
}

/// A call for the next event that is dropped halfway loses none.
pub async fn backplane_next_may_be_cancelled(harness: &dyn Harness) {
    let store = Checked::of(backplane_next_may_be_cancelled, harness);
    let (key, record) = (sample::key(), sample::record(harness.now()));
    let Some(mut listener) = Listener::on(&store, &key).await else { return };
    let mut expected = store.created(&key, &record).await;
    let mut seen = listener.changes_of(&[key]).await.len();
    for _ in 0..50 {
        expected = store.replaced(&key, &record, expected).await;
        let event = {
            let mut next = pin!(listener.subscription.next());
            poll_fn(|context| match next.as_mut().poll(context) {
                Poll::Ready(event) => Poll::Ready(Some(event)),
                Poll::Pending => Poll::Ready(None),
            })
            .await
        };
        if let Some(event) = event
            && matches!(store.answer("next", event), Event::Changed(changed, _) if changed == key)
        {
            seen += 1;
        }
    }
    seen += listener.changes_of(&[key]).await.len();
    store.assert(seen == 51, format_args!("{seen} of 51 writes were announced"));
}

/// A subscription of its own node, on the lane of one key.
pub(super) struct Listener {
    store: Checked,
    backplane: Arc<dyn Backplane>,
    lane: Lane,
    node: NodeId,
    subscription: Box<dyn Subscription>,
    echoes: u64,
}

impl Listener {
    /// `None`, said aloud, if the store has no backplane.
    pub(super) async fn on(store: &Checked, key: &Key) -> Option<Self> {
        let Some(backplane) = store.store.backplane() else {
            store.skip(NO_BACKPLANE);
            return None;
        };
        let lanes = store.answer("lanes", backplane.lanes().await);
        let lane = backplane.lane_of(key).filter(|lane| lanes.contains(lane));
        let Some(lane) = lane else { store.fail("the lane of a key is not among the lanes") };
        let node = NodeId(sample::random_number());
        let subscription = backplane.subscribe(lane, node).await;
        let subscription = store.answer("subscribe", subscription);
        Some(Self { store: store.clone(), backplane, lane, node, subscription, echoes: 0 })
    }

    async fn echo(&mut self) -> Echoed {
        self.echoes += 1;
        self.echo_as(self.echoes, 0).await
    }

    async fn echo_as(&mut self, number: u64, handled: u64) -> Echoed {
        let echo = self.backplane.echo(self.lane, self.node, number, handled).await;
        self.store.answer("echo", echo)
    }

    async fn heartbeat(&mut self) -> Option<Heartbeat> {
        let nodes = self.store.answer("nodes", self.backplane.nodes(self.lane).await);
        nodes.into_iter().find(|heartbeat| heartbeat.node == self.node)
    }

    /// Fails unless this is the node's heartbeat.
    async fn listed(&mut self, sent: u64, handled: u64, echoed: Echoed) {
        let expected = Heartbeat { node: self.node, sent, handled, order: echoed.order };
        let found = self.heartbeat().await;
        let message = format!("the heartbeat is {found:?}, not {expected:?}");
        self.store.assert(found == Some(expected), message);
    }

    /// Everything up to the echo that was sent last.
    async fn until_echo(&mut self) -> Vec<Event> {
        let events = self.until_number(self.echoes).await;
        let other = events.iter().find(|event| matches!(event, Event::Echo(_)));
        let message = format!("{other:?} came back before {}, which was sent", self.echoes);
        self.store.assert(other.is_none(), message);
        events
    }

    /// Everything up to the echo of that number, other echoes among it.
    async fn until_number(&mut self, number: u64) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let Ok(event) = timeout(PATIENCE, self.subscription.next()).await else {
                self.store.fail(format_args!("no echo within {PATIENCE:?}"));
            };
            match self.store.answer("next", event) {
                Event::Echo(back) if back == number => return events,
                Event::Unintelligible => self.store.fail("an event that is none was announced"),
                event => events.push(event),
            }
        }
    }

    /// The changes of these keys up to now, each with the key's place among them.
    pub(super) async fn changes_of(&mut self, keys: &[Key]) -> Vec<(usize, Change)> {
        self.echo().await;
        let events = self.until_echo().await;
        let about = |event| match event {
            Event::Changed(key, change) => {
                keys.iter().position(|wanted| *wanted == key).map(|place| (place, change))
            }
            Event::Echo(_) | Event::Nudge | Event::Unintelligible => None,
        };
        events.into_iter().filter_map(about).collect()
    }
}
