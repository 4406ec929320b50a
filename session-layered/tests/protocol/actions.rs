//! What may happen next.

use crate::bounds::{Bounds, Reads};
use crate::rules::{Rule, Rules};
use crate::state::{Change, Connection, Counter, KeyIndex, Node, Slots, State, Subscriber};

/// A step of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Time passes, for everybody.
    Tick,
    /// A client elsewhere changes a key and is acknowledged at once.
    ChangeElsewhere(KeyIndex, Change),
    /// The store loses everything, its epoch included, and announces nothing.
    Flush,
    /// The store stops sending to the node's subscriber.
    Cut(usize),
    /// A step of a node, or of the store for it.
    Of(usize, Step),
}

/// A step of a node, or of the store for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Resubscribe,
    MoveNumber,
    Receive,
    SendEcho,
    ExecuteEcho(usize),
    AnswerEcho(usize),
    LoseEcho(usize),
    StartLoad(KeyIndex),
    ExecuteLoad(usize),
    AnswerLoad(usize),
    Join(usize),
    RegisterWrite(KeyIndex, Change),
    ExecuteWrite(usize),
    AcknowledgeWrite(usize),
    LoseWrite(usize),
    ReadAndServe(KeyIndex),
    ReadEntry(KeyIndex),
    ReadLease,
    ReadNumber,
    Serve,
}

/// Collects what may happen in `state`.
pub(crate) fn possible(bounds: &Bounds, rules: Rules, state: &State, actions: &mut Vec<Action>) {
    if state.broken.is_some() {
        return;
    }
    actions.push(Action::Tick);
    if bounds.elsewhere {
        for key in 0..bounds.keys {
            changes(bounds, rules, state, key, |change| {
                actions.push(Action::ChangeElsewhere(key, change));
            });
        }
    }
    let full = |key: &usize| state.store.keys[*key].order == bounds.changes;
    if state.store.epoch < bounds.flushes && !(0..bounds.keys).any(|key| full(&key)) {
        actions.push(Action::Flush);
    }
    for (index, node) in state.nodes.iter().enumerate() {
        if bounds.cuts && node.connection == Connection::Up {
            actions.push(Action::Cut(index));
        }
        let mut push = |step| actions.push(Action::Of(index, step));
        subscriber(rules, node, &mut push);
        echoes(bounds, node, &mut push);
        loads(bounds, rules, node, &mut push);
        writes(bounds, rules, state, node, &mut push);
        serves(bounds, rules, node, &mut push);
    }
}

fn subscriber(rules: Rules, node: &Node, push: &mut impl FnMut(Step)) {
    let listens = match node.subscriber {
        Subscriber::Listens => true,
        Subscriber::IsNew => !rules.keep(Rule::NumberFirst),
    };
    if listens && !node.queue.is_empty() {
        push(Step::Receive);
    }
    match (node.subscriber, node.connection) {
        (Subscriber::Listens, Connection::Up) => {}
        (Subscriber::Listens, Connection::Cut) => push(Step::Resubscribe),
        (Subscriber::IsNew, _) => push(Step::MoveNumber),
    }
}

fn echoes(bounds: &Bounds, node: &Node, push: &mut impl FnMut(Step)) {
    if has_room(&node.echoes, bounds.echoes) {
        push(Step::SendEcho);
    }
    for (slot, echo) in taken(&node.echoes) {
        match echo.epoch {
            None => push(Step::ExecuteEcho(slot)),
            Some(_) if !echo.answered => push(Step::AnswerEcho(slot)),
            Some(_) => {}
        }
        push(Step::LoseEcho(slot));
    }
}

fn loads(bounds: &Bounds, rules: Rules, node: &Node, push: &mut impl FnMut(Step)) {
    if has_room(&node.flights, bounds.flights) {
        (0..bounds.keys).for_each(|key| push(Step::StartLoad(key)));
    }
    for (slot, flight) in taken(&node.flights) {
        if flight.value.is_none() {
            push(Step::ExecuteLoad(slot));
            continue;
        }
        push(Step::AnswerLoad(slot));
        let same = flight.generation == Counter::Same || !rules.keep(Rule::JoinGeneration);
        let young = flight.age < bounds.max_staleness || !rules.keep(Rule::JoinAge);
        if bounds.joins && same && young {
            push(Step::Join(slot));
        }
    }
}

fn writes(bounds: &Bounds, rules: Rules, state: &State, node: &Node, push: &mut impl FnMut(Step)) {
    if has_room(&node.writes, bounds.writes) {
        for key in 0..bounds.keys {
            changes(bounds, rules, state, key, |change| push(Step::RegisterWrite(key, change)));
        }
    }
    for (slot, write) in taken(&node.writes) {
        match write.executed {
            None => changes(bounds, rules, state, write.key, |change| {
                if change == write.change {
                    push(Step::ExecuteWrite(slot));
                }
            }),
            Some(_) => push(Step::AcknowledgeWrite(slot)),
        }
        push(Step::LoseWrite(slot));
    }
}

fn serves(bounds: &Bounds, rules: Rules, node: &Node, push: &mut impl FnMut(Step)) {
    let Some(serve) = node.serve else {
        let cached = (0..bounds.keys).filter(|&key| node.entries[key].is_some());
        if bounds.reads == Reads::AtOnce {
            return cached.for_each(|key| push(Step::ReadAndServe(key)));
        }
        return cached.for_each(|key| push(Step::ReadEntry(key)));
    };
    match (serve.lease.is_some(), serve.labelled) {
        (true, true) => push(Step::Serve),
        (true, false) => push(Step::ReadNumber),
        (false, true) => push(Step::ReadLease),
        (false, false) if rules.keep(Rule::LeaseBeforeNumber) => push(Step::ReadLease),
        (false, false) => push(Step::ReadNumber),
    }
}

/// The changes that `key` may undergo.
fn changes(
    bounds: &Bounds,
    rules: Rules,
    state: &State,
    key: KeyIndex,
    mut each: impl FnMut(Change),
) {
    let now = state.store.keys[key];
    if now.order < bounds.changes {
        if !rules.keep(Rule::GoneForGood) || now.revision.is_some() {
            each(Change::Write);
        }
        if bounds.removals && now.revision.is_some() {
            each(Change::Remove);
        }
    }
}

fn has_room<T>(slots: &Slots<T>, bound: usize) -> bool {
    slots.iter().flatten().count() < bound
}

/// What is under way, with the slot it is in.
fn taken<T: Copy>(slots: &Slots<T>) -> impl Iterator<Item = (usize, T)> {
    slots.iter().enumerate().filter_map(|(slot, taken)| taken.map(|taken| (slot, taken)))
}
