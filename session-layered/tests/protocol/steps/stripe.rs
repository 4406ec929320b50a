//! What happens under the lock of a stripe, or to all entries at once.

use crate::rules::{Rule, Rules};
use crate::state::{Counter, KeyIndex, Node, Seen};

/// An announcement: the entry goes if it is of an earlier revision, and whoever began before is
/// told.
pub(super) fn invalidate(rules: Rules, node: &mut Node, key: KeyIndex, revision: Option<u8>) {
    let outdated = node.entries[key].is_some_and(|entry| {
        revision.is_none_or(|revision| entry.version.revision < Some(revision))
    });
    if outdated && rules.keep(Rule::Eviction) {
        node.entries[key] = None;
    }
    if rules.keep(Rule::InvalidationGeneration) {
        move_generation(node);
    }
    if rules.keep(Rule::SeenByAnnouncement) {
        tell_writes(node, key, revision);
    }
}

/// Tells the registered writes of `key` what it was seen to be.
pub(super) fn tell_writes(node: &mut Node, key: KeyIndex, revision: Option<u8>) {
    for write in node.writes.iter_mut().flatten().filter(|write| write.key == key) {
        write.seen = write.seen.max(Seen::of(revision));
    }
}

pub(super) fn move_generation(node: &mut Node) {
    for flight in node.flights.iter_mut().flatten() {
        flight.generation = Counter::Moved;
    }
    if let Some(serve) = &mut node.serve {
        serve.generation = Counter::Moved;
    }
}

/// A new subscription number: every entry there is, or will be under an earlier ticket, is dead.
pub(super) fn move_number(node: &mut Node) {
    for entry in node.entries.iter_mut().flatten() {
        entry.number = Counter::Moved;
    }
    for flight in node.flights.iter_mut().flatten() {
        flight.number = Counter::Moved;
    }
    for write in node.writes.iter_mut().flatten() {
        write.number = Counter::Moved;
    }
    if let Some(serve) = node.serve.as_mut().filter(|serve| !serve.labelled) {
        serve.entry.number = Counter::Moved;
    }
}
