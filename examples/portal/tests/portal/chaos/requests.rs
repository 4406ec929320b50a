//! Single requests, and what their answers say of a session.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::time::Instant;

use super::history::{Event, History, Operation, Outcome, Session, Source};
use crate::client::{Answer, Client};

/// A session, as its client holds it.
#[derive(Clone, Debug)]
pub(super) struct Held {
    session: Session,
    cookie: String,
}

/// What a read asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Counter,
    Me,
}

/// Asks nodes, and writes down what they answer.
pub(super) struct Requests {
    pub(super) history: History,
    nodes: Vec<Client>,
    /// How many there have been.
    sessions: AtomicUsize,
}

impl Requests {
    pub(super) fn new(nodes: Vec<Client>) -> Self {
        Self { history: History::default(), nodes, sessions: AtomicUsize::new(0) }
    }

    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    pub(super) async fn sign_in(&self, node: usize, user: &str) -> Option<Held> {
        let begun = Instant::now();
        let mut client = self.nodes[node].clone();
        let credentials = json!({ "user": user, "password": "demo" });
        let answer = client.post_json("/api/login", &credentials).await;
        if answer.status == 503 {
            return None;
        }
        let answer = answer.expect(200);
        let cookie = client.cookie().expect("a cookie of who has signed in").to_owned();
        Some(self.begun(node, cookie, begun, &answer))
    }

    pub(super) async fn read(&self, node: usize, held: &Held, asked: Asked) -> Outcome {
        let begun = Instant::now();
        let path = match asked {
            Asked::Counter => "/api/counter",
            Asked::Me => "/api/me",
        };
        let (answer, _) = self.ask(node, held, "GET", path).await;
        let outcome = match (answer.status, asked) {
            (503, _) => Outcome::Unknown,
            (401, Asked::Me) => Outcome::Missing,
            (200, Asked::Me) => Outcome::Lives,
            // A visitor without a session has a counter too.
            (200, Asked::Counter) if source(&answer) == Source::None => Outcome::Missing,
            (200, Asked::Counter) => Outcome::Counts(value(&answer)),
            _ => panic!("{answer}"),
        };
        self.note(node, held.session, Operation::Read, outcome, begun, &answer);
        outcome
    }

    pub(super) async fn write(&self, node: usize, held: &Held) -> Outcome {
        let begun = Instant::now();
        let (answer, cookie) = self.ask(node, held, "POST", "/api/counter/now").await;
        let outcome = match answer.status {
            // Who has no session any more begins another one by writing, or tries to.
            200 | 503 if cookie.as_ref() != Some(&held.cookie) => Outcome::Missing,
            503 => Outcome::Unknown,
            200 => Outcome::Counts(value(&answer)),
            _ => gone(&answer),
        };
        self.note(node, held.session, Operation::Write, outcome, begun, &answer);
        outcome
    }

    pub(super) async fn log_out(&self, node: usize, held: &Held) -> Outcome {
        let begun = Instant::now();
        let (answer, _) = self.ask(node, held, "POST", "/api/logout").await;
        let outcome = match answer.status {
            503 => Outcome::Unknown,
            204 => Outcome::Ended,
            _ => panic!("{answer}"),
        };
        self.note(node, held.session, Operation::End, outcome, begun, &answer);
        outcome
    }

    /// Returns what has become of the session, and the one it has become.
    pub(super) async fn rotate(&self, node: usize, held: &Held) -> (Outcome, Option<Held>) {
        let begun = Instant::now();
        let (answer, cookie) = self.ask(node, held, "POST", "/api/rotate").await;
        let outcome = match (answer.status, &cookie) {
            (503, _) => Outcome::Unknown,
            (204, Some(_)) => Outcome::Ended,
            (204, None) => Outcome::Missing,
            _ => gone(&answer),
        };
        self.note(node, held.session, Operation::End, outcome, begun, &answer);
        let cookie = cookie.filter(|_| outcome == Outcome::Ended);
        (outcome, cookie.map(|cookie| self.begun(node, cookie, begun, &answer)))
    }

    /// Asks with the session's cookie. Returns the one that the client has afterwards, too.
    async fn ask(
        &self,
        node: usize,
        held: &Held,
        method: &str,
        path: &str,
    ) -> (Answer, Option<String>) {
        let mut client = self.nodes[node].clone();
        client.set_cookie(&held.cookie);
        let answer = client.send(method, path, &[], "").await;
        (answer, client.cookie().map(str::to_owned))
    }

    fn begun(&self, node: usize, cookie: String, begun: Instant, answer: &Answer) -> Held {
        let session = Session(self.sessions.fetch_add(1, Ordering::Relaxed));
        self.note(node, session, Operation::Begin, Outcome::Counts(0), begun, answer);
        Held { session, cookie }
    }

    fn note(
        &self,
        node: usize,
        session: Session,
        operation: Operation,
        outcome: Outcome,
        begun: Instant,
        answer: &Answer,
    ) {
        let (node, source, ended) = (Some(node), source(answer), Instant::now());
        self.history.push(Event { session, node, operation, outcome, source, begun, ended });
    }
}

/// The session has ended while it was in use.
fn gone(answer: &Answer) -> Outcome {
    assert!(answer.status == 401 && answer.json()["error"] == "session_gone", "{answer}");
    Outcome::Missing
}

fn source(answer: &Answer) -> Source {
    Source::parse(answer.header("x-session-source"))
}

fn value(answer: &Answer) -> u64 {
    answer.json()["value"].as_u64().unwrap_or_else(|| panic!("{answer}"))
}
