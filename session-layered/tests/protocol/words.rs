//! A path through the model in words, one line an action.

use stateright::Path;

use crate::actions::{Action, Step};
use crate::bounds::Bounds;
use crate::state::{Broken, Change, Message, Node, Promise, Seen, State, Version};

/// What happens on `path`, line by line, and how it ends.
pub(crate) fn tell(bounds: &Bounds, path: Path<State, Action>) -> String {
    let steps = path.into_vec();
    let lines = steps.windows(2).filter_map(|pair| {
        let [(before, Some(action)), (after, _)] = pair else { return None };
        Some(line(bounds, before, *action, after) + "\n")
    });
    let mut text: String = lines.collect();
    if let Some(broken) = steps.last().and_then(|(last, _)| last.broken) {
        text += &end(broken);
    }
    text
}

fn line(bounds: &Bounds, before: &State, action: Action, after: &State) -> String {
    match action {
        Action::Tick => "a tick passes".to_owned(),
        Action::ChangeElsewhere(key, change) => {
            let of = of(bounds, key);
            let made = state_of(after.store.keys[key]);
            format!("elsewhere: a {}{of} is executed and acknowledged: {made}", noun(change))
        }
        Action::Flush => "the store is flushed: all is gone, and nothing announced".to_owned(),
        Action::Cut(index) => format!("{}: the subscription is cut, unnoticed", name(index)),
        Action::Of(index, step) => {
            let (was, is) = (&before.nodes[index], &after.nodes[index]);
            format!("{}: {}", name(index), words(bounds, after, was, is, step))
        }
    }
}

fn words(bounds: &Bounds, after: &State, was: &Node, is: &Node, step: Step) -> String {
    match step {
        Step::Resubscribe => "subscribes anew".to_owned(),
        Step::MoveNumber => "moves its subscription number".to_owned(),
        Step::Receive => receive(bounds, was, is),
        Step::SendEcho => "sends an echo".to_owned(),
        Step::ExecuteEcho(_) => "the store executes the echo".to_owned(),
        Step::AnswerEcho(_) => format!("has the reply to the echo's call{}", extended(was, is)),
        Step::LoseEcho(_) => "gives the echo up".to_owned(),
        Step::StartLoad(key) => format!("takes a ticket and sends a load{}", of(bounds, key)),
        Step::ExecuteLoad(slot) => {
            let key = was.flights[slot].map_or(0, |flight| flight.key);
            format!("the store answers the load: {}", state_of(after.store.keys[key]))
        }
        Step::AnswerLoad(slot) => answer_load(was, is, slot),
        Step::Join(slot) => {
            let value = was.flights[slot].and_then(|flight| flight.value).map(state_of);
            format!("another load joins, and is answered: {}", value.unwrap_or_default())
        }
        Step::RegisterWrite(key, change) => {
            format!("registers a {}{} and sends it", noun(change), of(bounds, key))
        }
        Step::ExecuteWrite(slot) => {
            let (key, change) =
                was.writes[slot].map_or((0, Change::Write), |write| (write.key, write.change));
            let made = state_of(after.store.keys[key]);
            format!("the store executes the {}: {made}", noun(change))
        }
        Step::AcknowledgeWrite(slot) => acknowledge(was, is, slot),
        Step::LoseWrite(_) => "a write's outcome is unknown".to_owned(),
        Step::ReadAndServe(key) => {
            let version = was.entries[key].map(|entry| state_of(entry.version));
            format!("serves from the L1: {}", version.unwrap_or_default())
        }
        Step::ReadEntry(key) => {
            let version = was.entries[key].map(|entry| state_of(entry.version));
            format!("a thread reads the entry{}: {}", of(bounds, key), version.unwrap_or_default())
        }
        Step::ReadLease => format!("the thread reads the lease: {}", ticks(was.lease)),
        Step::ReadNumber => "the thread reads the subscription number".to_owned(),
        Step::Serve => {
            let version = was.serve.map(|serve| state_of(serve.entry.version));
            format!("the thread makes its last check, and serves: {}", version.unwrap_or_default())
        }
    }
}

fn receive(bounds: &Bounds, was: &Node, is: &Node) -> String {
    match was.queue.first() {
        Some(Message::Announcement { key, revision }) => {
            let announced = revision.map_or("removed".to_owned(), |now| format!("revision {now}"));
            let evicts = match (was.entries[*key], is.entries[*key]) {
                (Some(_), None) => ", and evicts",
                _ => "",
            };
            format!("handles the announcement{}: {announced}{evicts}", of(bounds, *key))
        }
        Some(Message::Echo { .. }) => format!("handles the echo{}", extended(was, is)),
        None => String::new(),
    }
}

fn answer_load(was: &Node, is: &Node, slot: usize) -> String {
    let inserted = was.flights[slot]
        .is_some_and(|flight| is.entries[flight.key].map(|entry| entry.version) == flight.value);
    let what = if inserted { "inserts it" } else { "inserts nothing" };
    format!("has the answer to the load, and {what}")
}

fn acknowledge(was: &Node, is: &Node, slot: usize) -> String {
    let Some(write) = was.writes[slot] else { return String::new() };
    let Some(version) = write.executed else { return String::new() };
    let what = match write.change {
        Change::Remove => "",
        Change::Write if is.entries[write.key].map(|entry| entry.version) == Some(version) => {
            ", and inserts it"
        }
        Change::Write if write.seen == Seen::Nothing => ", and inserts nothing",
        Change::Write => ", and inserts nothing, having seen something later",
    };
    format!("the {} is acknowledged: {}{what}", noun(write.change), state_of(version))
}

fn extended(was: &Node, is: &Node) -> String {
    let moved = if was.epoch == is.epoch { "" } else { ", moves its subscription number" };
    if is.lease > was.lease {
        format!("{moved}, and extends the lease: {}", ticks(is.lease))
    } else {
        moved.to_owned()
    }
}

fn end(broken: Broken) -> String {
    let served = state_of(broken.version);
    match broken.promise {
        Promise::Bounded => {
            format!("=> {served} is older than a change acknowledged D ago or earlier\n")
        }
        Promise::OwnChanges => {
            format!("=> {served} is older than a change acknowledged to this node\n")
        }
    }
}

fn name(index: usize) -> String {
    format!("node {}", index + 1)
}

fn of(bounds: &Bounds, key: usize) -> String {
    if bounds.keys == 1 { String::new() } else { format!(" of key {}", key + 1) }
}

fn state_of(version: Version) -> String {
    version.revision.map_or("gone".to_owned(), |revision| format!("revision {revision}"))
}

fn noun(change: Change) -> &'static str {
    match change {
        Change::Write => "write",
        Change::Remove => "removal",
    }
}

fn ticks(number: u8) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} tick{plural} left")
}
