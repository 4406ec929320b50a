//! The protocol as a model that `stateright` searches.

use stateright::{Expectation, Model, Property};

use crate::actions::{self, Action};
use crate::bounds::{Bounds, Reads};
use crate::rules::Rules;
use crate::state::{Counter, Entry, State};
use crate::steps;

/// What a search is to find out. It asks one thing, so that it ends at the first answer, which is a
/// shortest one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question {
    /// Whether an answer is ever older than promised.
    Promise,
    /// Whether an entry is ever served from the L1.
    Use,
}

pub(crate) const PROMISE: &str = "no answer is older than promised";
pub(crate) const USE: &str = "an entry is served from the L1";

/// The protocol within bounds, with the rules that are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protocol {
    pub(crate) bounds: Bounds,
    pub(crate) rules: Rules,
    pub(crate) question: Question,
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::initial(self.bounds.nodes)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions::possible(&self.bounds, self.rules, state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(steps::next(&self.bounds, self.rules, state.clone(), action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let (expectation, name, condition): (_, _, fn(&Self, &State) -> bool) = match self.question
        {
            Question::Promise => (Expectation::Always, PROMISE, |_, state| state.broken.is_none()),
            Question::Use => (Expectation::Sometimes, USE, Self::serves),
        };
        vec![Property { expectation, name, condition }]
    }
}

impl Protocol {
    /// Whether a next step may be to serve an entry.
    fn serves(&self, state: &State) -> bool {
        state.nodes.iter().any(|node| match self.bounds.reads {
            Reads::AtOnce => node.lease > 0 && node.entries.iter().flatten().any(is_alive),
            Reads::StepByStep => node.serve.is_some_and(|serve| {
                serve.labelled && serve.lease > Some(0) && serve.generation == Counter::Same
            }),
        })
    }
}

/// Nodes differ in nothing but what they are at: which is which does not matter.
pub(crate) fn regardless_of_names(state: &State) -> State {
    let mut state = state.clone();
    state.nodes.sort_unstable();
    state
}

fn is_alive(entry: &Entry) -> bool {
    entry.number == Counter::Same
}
