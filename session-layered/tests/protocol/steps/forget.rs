//! Leaving out what can have no effect any more, so that states which differ in nothing else are
//! one. Each case follows from rules that are kept: with a rule switched off, what it would have
//! stopped stays.

use crate::bounds::Bounds;
use crate::rules::{Rule, Rules};
use crate::state::{Counter, Echo, Entry, Flight, Message, Node, Serve, State};

pub(super) fn forget(bounds: &Bounds, rules: Rules, state: &mut State) {
    let bounded = state.store.acknowledged.map(|ticks| ticks[usize::from(bounds.max_staleness)]);
    let last_epoch = Some(state.store.epoch).filter(|epoch| *epoch == bounds.flushes);
    for node in &mut state.nodes {
        for (own, bounded) in node.own.iter_mut().zip(bounded) {
            *own = bounded.max(*own);
        }
        for entry in &mut node.entries {
            *entry = entry.filter(|entry| is_alive(rules, entry));
        }
        node.serve = node.serve.filter(|serve| may_answer(rules, serve));
        for flight in &mut node.flights {
            *flight = flight.filter(|flight| is_of_use(bounds, rules, flight));
            if let Some(flight) = flight.as_mut().filter(|_| !bounds.joins) {
                // Nobody asks.
                flight.age = 0;
            }
        }
        // Nothing tells one slot from another.
        node.flights.sort_unstable();
        node.writes.sort_unstable();
        forget_echoes(bounds, rules, node, last_epoch);
    }
}

fn is_alive(rules: Rules, entry: &Entry) -> bool {
    entry.number == Counter::Same || !rules.keep(Rule::Label)
}

/// Whether a serve may pass the checks to come.
fn may_answer(rules: Rules, serve: &Serve) -> bool {
    let moved = serve.generation == Counter::Moved && rules.keep(Rule::GenerationAgain);
    let lapsed = serve.lease == Some(0) && rules.keep(Rule::Lease) && rules.keep(Rule::ClockLast);
    is_alive(rules, &serve.entry) && !moved && !lapsed
}

/// Whether the answer to a load may be inserted, or the flight joined.
fn is_of_use(bounds: &Bounds, rules: Rules, flight: &Flight) -> bool {
    let moved = flight.generation == Counter::Moved;
    let refused = moved && rules.keep(Rule::FillGeneration);
    let dead =
        flight.number == Counter::Moved && rules.keep(Rule::Label) && rules.keep(Rule::FillLabel);
    let old = flight.age == bounds.max_staleness && rules.keep(Rule::JoinAge);
    let left = moved && rules.keep(Rule::JoinGeneration);
    !(refused || dead) || (bounds.joins && !(old || left))
}

/// An echo that will not be heard, or that neither extends the lease nor brings a new epoch.
fn forget_echoes(bounds: &Bounds, rules: Rules, node: &mut Node, last_epoch: Option<u8>) {
    for slot in 0..node.echoes.len() {
        let Some(Echo { age, epoch, answered: _, handled }) = node.echoes[slot] else {
            continue;
        };
        let known = epoch.or(last_epoch) == Some(node.epoch) || !rules.keep(Rule::Epoch);
        let queued = node.queue.contains(&Message::Echo { slot });
        let unheard = epoch.is_some() && !handled && !queued && rules.keep(Rule::EchoInOrder);
        if (age == bounds.max_staleness && known) || unheard {
            node.echoes[slot] = None;
            node.queue.retain(|message| *message != Message::Echo { slot });
        }
    }
}
