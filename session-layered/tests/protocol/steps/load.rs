//! Loads, and the flights that others join.

use super::{put, serve, stripe};
use crate::bounds::Bounds;
use crate::rules::{Rule, Rules};
use crate::state::{Counter, Entry, Flight, KeyIndex, Node, State};

/// Takes the ticket, and sends the load.
pub(super) fn start(node: &mut Node, key: KeyIndex) {
    let (generation, number) = (Counter::Same, Counter::Same);
    put(&mut node.flights, Flight { key, value: None, generation, number, age: 0 });
}

pub(super) fn execute(state: &mut State, index: usize, slot: usize) {
    if let Some(flight) = &mut state.nodes[index].flights[slot] {
        flight.value = Some(state.store.keys[flight.key]);
    }
}

/// The answer is here: a record is inserted under the ticket's number, and whoever writes the key
/// is told, for the sake of readers that are not to see it go back and forth.
pub(super) fn answer(rules: Rules, node: &mut Node, slot: usize) {
    let Some(Flight { key, value: Some(version), generation, number, age: _ }) =
        node.flights[slot].take()
    else {
        return;
    };
    let unchanged = generation == Counter::Same || !rules.keep(Rule::FillGeneration);
    if version.revision.is_some() && unchanged {
        let number = if rules.keep(Rule::FillLabel) { number } else { Counter::Same };
        node.entries[key] = Some(Entry { version, number });
        stripe::tell_writes(node, key, version.revision);
    }
}

/// Another load is to be answered with what this one is. Before the store has executed that one,
/// there is nothing to it.
pub(super) fn join(bounds: &Bounds, state: &mut State, index: usize, slot: usize) {
    if let Some(Flight { key, value: Some(version), .. }) = state.nodes[index].flights[slot] {
        serve::judge(bounds, state, index, key, version);
    }
}
