//! What each action makes of a state.

mod echo;
mod forget;
mod load;
mod serve;
mod store;
mod stripe;
mod write;

use crate::actions::{Action, Step};
use crate::bounds::Bounds;
use crate::rules::Rules;
use crate::state::{Connection, Node, State, Subscriber};

/// The state after `action`, which is possible in `state`.
pub(crate) fn next(bounds: &Bounds, rules: Rules, mut state: State, action: Action) -> State {
    match action {
        Action::Tick => tick(bounds, &mut state),
        Action::ChangeElsewhere(key, change) => {
            let version = store::change(&mut state, key, change);
            store::acknowledge(&mut state.store, key, version);
        }
        Action::Flush => store::flush(&mut state.store, bounds.keys),
        Action::Cut(node) => state.nodes[node].connection = Connection::Cut,
        Action::Of(node, step) => take(bounds, rules, &mut state, node, step),
    }
    forget::forget(bounds, rules, &mut state);
    state
}

fn take(bounds: &Bounds, rules: Rules, state: &mut State, index: usize, step: Step) {
    match step {
        Step::Resubscribe => {
            let node = &mut state.nodes[index];
            node.connection = Connection::Up;
            node.subscriber = Subscriber::IsNew;
            node.queue.clear();
        }
        Step::MoveNumber => {
            let node = &mut state.nodes[index];
            node.subscriber = Subscriber::Listens;
            stripe::move_number(node);
        }
        Step::Receive => echo::receive(bounds, rules, &mut state.nodes[index]),
        Step::SendEcho => echo::send(&mut state.nodes[index]),
        Step::ExecuteEcho(slot) => echo::execute(state, index, slot),
        Step::AnswerEcho(slot) => echo::answer(bounds, rules, &mut state.nodes[index], slot),
        Step::LoseEcho(slot) => echo::lose(&mut state.nodes[index], slot),
        Step::StartLoad(key) => load::start(&mut state.nodes[index], key),
        Step::ExecuteLoad(slot) => load::execute(state, index, slot),
        Step::AnswerLoad(slot) => load::answer(rules, &mut state.nodes[index], slot),
        Step::Join(slot) => load::join(bounds, state, index, slot),
        Step::RegisterWrite(key, change) => write::register(&mut state.nodes[index], key, change),
        Step::ExecuteWrite(slot) => write::execute(state, index, slot),
        Step::AcknowledgeWrite(slot) => write::acknowledge(rules, state, index, slot),
        Step::LoseWrite(slot) => state.nodes[index].writes[slot] = None,
        Step::ReadAndServe(key) => {
            serve::read_entry(&mut state.nodes[index], key);
            serve::read_lease(rules, &mut state.nodes[index]);
            serve::read_number(rules, &mut state.nodes[index]);
            serve::serve(bounds, rules, state, index);
        }
        Step::ReadEntry(key) => serve::read_entry(&mut state.nodes[index], key),
        Step::ReadLease => serve::read_lease(rules, &mut state.nodes[index]),
        Step::ReadNumber => serve::read_number(rules, &mut state.nodes[index]),
        Step::Serve => serve::serve(bounds, rules, state, index),
    }
}

fn tick(bounds: &Bounds, state: &mut State) {
    for acknowledged in &mut state.store.acknowledged {
        for ticks in (0..usize::from(bounds.max_staleness)).rev() {
            acknowledged[ticks + 1] = acknowledged[ticks];
        }
    }
    for node in &mut state.nodes {
        grow_older(bounds, node);
    }
}

fn grow_older(bounds: &Bounds, node: &mut Node) {
    node.lease = node.lease.saturating_sub(1);
    for flight in node.flights.iter_mut().flatten() {
        flight.age = bounds.max_staleness.min(flight.age + 1);
    }
    for echo in node.echoes.iter_mut().flatten() {
        echo.age = bounds.max_staleness.min(echo.age + 1);
    }
    if let Some(lease) = node.serve.as_mut().and_then(|serve| serve.lease.as_mut()) {
        *lease = lease.saturating_sub(1);
    }
}

/// Puts something into the first slot that is free.
fn put<T>(slots: &mut [Option<T>; 2], new: T) {
    if let Some(free) = slots.iter_mut().find(|slot| slot.is_none()) {
        *free = Some(new);
    }
}
