//! Local writes and removals.

use super::{put, store, stripe};
use crate::rules::{Rule, Rules};
use crate::state::{Change, Counter, Entry, KeyIndex, LocalWrite, Node, Seen, State};

/// Registers a write, and sends it.
pub(super) fn register(node: &mut Node, key: KeyIndex, change: Change) {
    let (executed, seen, number) = (None, Seen::Nothing, Counter::Same);
    put(&mut node.writes, LocalWrite { key, change, executed, seen, number });
}

pub(super) fn execute(state: &mut State, index: usize, slot: usize) {
    let Some(LocalWrite { key, change, .. }) = state.nodes[index].writes[slot] else {
        return;
    };
    let version = store::change(state, key, change);
    if let Some(write) = &mut state.nodes[index].writes[slot] {
        write.executed = Some(version);
    }
}

/// The acknowledgement is here.
pub(super) fn acknowledge(rules: Rules, state: &mut State, index: usize, slot: usize) {
    let node = &mut state.nodes[index];
    let Some(LocalWrite { key, change: _, executed: Some(version), seen, number }) =
        node.writes[slot].take()
    else {
        return;
    };
    if rules.keep(Rule::LocalEviction) {
        node.entries[key] = None;
    }
    if rules.keep(Rule::LocalGeneration) {
        stripe::move_generation(node);
    }
    if rules.keep(Rule::SeenByAcknowledgement) {
        stripe::tell_writes(node, key, version.revision);
    }
    if version.revision.is_some() && seen <= Seen::of(version.revision) {
        let number = if rules.keep(Rule::LocalLabel) { number } else { Counter::Same };
        node.entries[key] = Some(Entry { version, number });
    }
    node.own[key] = node.own[key].max(version.order);
    store::acknowledge(&mut state.store, key, version);
}
