//! The subscriber, and the echoes by which it knows that it has heard everything.

use super::{put, store, stripe};
use crate::bounds::Bounds;
use crate::rules::{Rule, Rules};
use crate::state::{Echo, Message, Node, State};

/// The subscriber handles the next message.
pub(super) fn receive(bounds: &Bounds, rules: Rules, node: &mut Node) {
    match node.queue.remove(0) {
        Message::Announcement { key, revision } => stripe::invalidate(rules, node, key, revision),
        Message::Echo { slot } => {
            if let Some(echo) = &mut node.echoes[slot] {
                echo.handled = true;
            }
            finish(bounds, rules, node, slot);
        }
    }
}

pub(super) fn send(node: &mut Node) {
    put(&mut node.echoes, Echo { age: 0, epoch: None, answered: false, handled: false });
}

/// The store sends the echo to the subscriber, and answers its call with the epoch.
pub(super) fn execute(state: &mut State, index: usize, slot: usize) {
    let node = &mut state.nodes[index];
    if let Some(echo) = &mut node.echoes[slot] {
        echo.epoch = Some(state.store.epoch);
    }
    store::send(node, Message::Echo { slot });
}

/// The reply to the echo's call is here.
pub(super) fn answer(bounds: &Bounds, rules: Rules, node: &mut Node, slot: usize) {
    if let Some(echo) = &mut node.echoes[slot] {
        echo.answered = true;
    }
    finish(bounds, rules, node, slot);
}

/// The node gives up waiting for the echo: whatever comes of it is not looked at.
pub(super) fn lose(node: &mut Node, slot: usize) {
    node.echoes[slot] = None;
    node.queue.retain(|message| *message != Message::Echo { slot });
}

/// Extends the lease, if all of the echo is here.
fn finish(bounds: &Bounds, rules: Rules, node: &mut Node, slot: usize) {
    let Some(Echo { age, epoch: Some(epoch), answered, handled }) = node.echoes[slot] else {
        return;
    };
    let due = handled || !rules.keep(Rule::EchoInOrder);
    if !answered || !due {
        return;
    }
    if epoch != node.epoch && rules.keep(Rule::Epoch) {
        stripe::move_number(node);
        node.epoch = epoch;
    }
    node.lease = node.lease.max(bounds.max_staleness - age);
    lose(node, slot);
}
