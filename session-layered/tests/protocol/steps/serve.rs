//! A serve from the L1, step by step, and what an answer is judged by.

use crate::bounds::Bounds;
use crate::rules::{Rule, Rules};
use crate::state::{Broken, Counter, KeyIndex, Node, Promise, Serve, State, Version};

/// Reads the stripe's generation, then the entry.
pub(super) fn read_entry(node: &mut Node, key: KeyIndex) {
    node.serve = node.entries[key].map(|entry| Serve {
        key,
        entry,
        generation: Counter::Same,
        lease: None,
        labelled: false,
    });
}

pub(super) fn read_lease(rules: Rules, node: &mut Node) {
    let lease = node.lease;
    let valid = lease > 0 || !rules.keep(Rule::Lease);
    node.serve = node.serve.filter(|_| valid).map(|serve| Serve { lease: Some(lease), ..serve });
}

pub(super) fn read_number(rules: Rules, node: &mut Node) {
    let alive = |serve: &Serve| serve.entry.number == Counter::Same || !rules.keep(Rule::Label);
    node.serve = node.serve.filter(alive).map(|serve| Serve { labelled: true, ..serve });
}

/// Reads the generation again and the clock, and answers if nothing is against it.
pub(super) fn serve(bounds: &Bounds, rules: Rules, state: &mut State, index: usize) {
    let Some(Serve { key, entry, generation, lease, labelled: _ }) =
        state.nodes[index].serve.take()
    else {
        return;
    };
    let unchanged = generation == Counter::Same || !rules.keep(Rule::GenerationAgain);
    let leased = lease > Some(0) || !rules.keep(Rule::ClockLast) || !rules.keep(Rule::Lease);
    if unchanged && leased {
        judge(bounds, state, index, key, entry.version);
    }
}

/// Somebody is answered with `version`, at this moment, without asking the store.
pub(super) fn judge(
    bounds: &Bounds,
    state: &mut State,
    index: usize,
    key: KeyIndex,
    version: Version,
) {
    let acknowledged = state.store.acknowledged[key][usize::from(bounds.max_staleness)];
    let promise = if version.order < acknowledged {
        Some(Promise::Bounded)
    } else if version.order < state.nodes[index].own[key] {
        Some(Promise::OwnChanges)
    } else {
        None
    };
    state.broken = promise.map(|promise| Broken { promise, version });
}
