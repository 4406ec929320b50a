//! What the store executes of its own, and what it has promised.

use crate::state::{Change, Connection, KeyIndex, Message, Node, State, Store, Version};

/// Changes a key and announces that, in one atomic step.
pub(super) fn change(state: &mut State, key: KeyIndex, change: Change) -> Version {
    let before = state.store.keys[key];
    let revision = match change {
        Change::Write => Some(before.revision.map_or(1, |revision| revision + 1)),
        Change::Remove => None,
    };
    let version = Version { order: before.order + 1, revision };
    state.store.keys[key] = version;
    for node in &mut state.nodes {
        send(node, Message::Announcement { key, revision });
    }
    version
}

/// Whoever made this change knows by now that it was executed.
pub(super) fn acknowledge(store: &mut Store, key: KeyIndex, version: Version) {
    let latest = &mut store.acknowledged[key][0];
    *latest = version.order.max(*latest);
}

/// Everything is gone, and whoever did that knows.
pub(super) fn flush(store: &mut Store, keys: usize) {
    store.epoch += 1;
    for key in 0..keys {
        if store.keys[key].revision.is_some() {
            let version = Version { order: store.keys[key].order + 1, revision: None };
            store.keys[key] = version;
            acknowledge(store, key, version);
        }
    }
}

/// Sends a message to the node's subscriber, if it is still reached.
pub(super) fn send(node: &mut Node, message: Message) {
    match node.connection {
        Connection::Up => node.queue.push(message),
        Connection::Cut => {}
    }
}
