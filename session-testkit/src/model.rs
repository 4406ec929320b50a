//! Random calls, compared one by one with a model that is too simple to be wrong.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_oneof;
use proptest::strategy::{Just, Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use session_core::{
    Created, Error, Key, Load, Loaded, Payload, Record, Replaced, Revision, Store, Subject,
    Timestamp, Touch, Touched,
};

use crate::checked::{Checked, name};
use crate::harness::{Harness, advance_to};
use crate::sample;

/// Sequences tried, unless `PROPTEST_CASES` says otherwise or time runs out.
const CASES: u32 = 256;
/// Where time is real, waiting for deadlines makes sequences slow.
const BUDGET: Duration = Duration::from_secs(5);
const STEPS: usize = 40;
/// Keys, all in one partition so that any may be rotated to any.
const KEYS: usize = 4;
const SUBJECTS: usize = 2;

/// In random sequences of calls and passing time, on a few keys and subjects, every answer is
/// that of a simple model: a map with the rules of the contract. A sequence that ends otherwise is
/// made as short as it goes and shown.
pub async fn follows_the_model(harness: &dyn Harness) {
    let store = Checked::of(follows_the_model, harness);
    let began = Instant::now();
    let config = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default(),
        None => Config { cases: CASES, ..Config::default() },
    };
    let cases = config.cases;
    let mut runner = TestRunner::new(config);
    for _ in 0..cases {
        let tree = match sequences().new_tree(&mut runner) {
            Ok(tree) => tree,
            Err(reason) => store.fail(format_args!("no sequence of calls: {reason}")),
        };
        let steps = tree.current();
        if let Err(difference) = play(harness, &steps).await {
            let (steps, difference) = shorten(harness, tree, steps, difference).await;
            let listed = (1..).zip(&steps).map(|(number, step)| format!("  {number}. {step:?}"));
            let listed: Vec<String> = listed.collect();
            store.fail(format_args!("{difference}\n{}", listed.join("\n")));
        }
        if began.elapsed() > BUDGET {
            return;
        }
    }
}

/// Simplifies a failing sequence as long as it keeps failing.
async fn shorten(
    harness: &dyn Harness,
    mut tree: impl ValueTree<Value = Vec<Step>> + Send,
    mut steps: Vec<Step>,
    mut difference: String,
) -> (Vec<Step>, String) {
    let began = Instant::now();
    let mut onward = tree.simplify();
    while onward && began.elapsed() < BUDGET {
        onward = match play(harness, &tree.current()).await {
            Err(still) => {
                (steps, difference) = (tree.current(), still);
                tree.simplify()
            }
            Ok(()) => tree.complicate(),
        };
    }
    (steps, difference)
}

/// One call, or time that passes. Keys are named by their place, revisions by what is known.
#[derive(Clone, Debug)]
enum Step {
    Create { at: usize, draft: Draft },
    Load { at: usize, known: Option<Guess> },
    Replace { at: usize, expected: Guess, draft: Draft },
    Rotate { from: usize, to: usize, expected: Guess, draft: Draft },
    Touch(Vec<(usize, u32)>),
    Delete { at: usize },
    Purge { limit: usize },
    List { subject: usize, limit: usize },
    Pass { ticks: u32 },
}

/// What a record is made from when its moment comes.
#[derive(Clone, Debug)]
struct Draft {
    idle_ticks: u32,
    absolute_ticks: u32,
    subject: Option<usize>,
    payload: u8,
}

#[derive(Clone, Copy, Debug)]
enum Guess {
    Right,
    Lower,
    Higher,
    Unsaved,
}

fn sequences() -> impl Strategy<Value = Vec<Step>, Tree: Send> {
    let draft = || {
        let subject = proptest::option::of(0..SUBJECTS);
        (2..12_u32, 0..12_u32, subject, any::<u8>()).prop_map(|(idle, more, subject, payload)| {
            Draft { idle_ticks: idle, absolute_ticks: idle + more, subject, payload }
        })
    };
    let guess = || {
        prop_oneof![
            6 => Just(Guess::Right),
            1 => Just(Guess::Lower),
            1 => Just(Guess::Higher),
            1 => Just(Guess::Unsaved),
        ]
    };
    let step = prop_oneof![
        6 => (0..KEYS, draft()).prop_map(|(at, draft)| Step::Create { at, draft }),
        4 => (0..KEYS, proptest::option::of(guess()))
            .prop_map(|(at, known)| Step::Load { at, known }),
        6 => (0..KEYS, guess(), draft())
            .prop_map(|(at, expected, draft)| Step::Replace { at, expected, draft }),
        5 => (0..KEYS, 1..KEYS, guess(), draft()).prop_map(|(from, on, expected, draft)| {
            Step::Rotate { from, to: (from + on) % KEYS, expected, draft }
        }),
        4 => vec((0..KEYS, 0..20_u32), 1..4).prop_map(Step::Touch),
        2 => (0..KEYS).prop_map(|at| Step::Delete { at }),
        1 => (0..4_usize).prop_map(|limit| Step::Purge { limit }),
        3 => (0..SUBJECTS, 1..4_usize).prop_map(|(subject, limit)| Step::List { subject, limit }),
        3 => (1..8_u32).prop_map(|ticks| Step::Pass { ticks }),
    ];
    vec(step, 1..STEPS)
}

/// Plays a sequence on fresh keys, and looks at everything in the end. The error tells at which step
/// store and model part.
async fn play(harness: &dyn Harness, steps: &[Step]) -> Result<(), String> {
    let first = sample::key();
    let mut model = Model {
        harness,
        store: harness.store(),
        keys: std::array::from_fn(|_| sample::key_beside(&first)),
        subjects: std::array::from_fn(|_| sample::subject()),
        sessions: std::array::from_fn(|_| None),
        last: [Revision::UNSAVED; KEYS],
    };
    let loads = (0..KEYS).map(|at| Step::Load { at, known: None });
    let lists = (0..SUBJECTS).map(|subject| Step::List { subject, limit: KEYS });
    for (number, step) in (1..).zip(steps.iter().cloned().chain(loads).chain(lists)) {
        model.avoid_deadlines().await;
        let began = harness.now();
        let agreed = model.step(&step).await;
        if !matches!(step, Step::Pass { .. }) && harness.now().since(began) > harness.tick() {
            // Time is real and the call was slow: what it should have answered nobody knows.
            break;
        }
        agreed.map_err(|difference| format!("at step {number}, {difference}"))?;
    }
    for key in &model.keys {
        model.store.delete(key).await.map_err(|error| failed("delete", &error))?;
    }
    Ok(())
}

struct Model<'a> {
    harness: &'a dyn Harness,
    store: Arc<dyn Store>,
    keys: [Key; KEYS],
    subjects: [Subject; SUBJECTS],
    /// What is stored. Expired ones stay until something takes their place.
    sessions: [Option<Record>; KEYS],
    /// The revision last seen at each key, of whatever session.
    last: [Revision; KEYS],
}

impl Model<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Create { at, draft } => self.create(*at, draft).await,
            Step::Load { at, known } => self.load(*at, *known).await,
            Step::Replace { at, expected, draft } => self.replace(*at, *expected, draft).await,
            Step::Rotate { from, to, expected, draft } => {
                self.rotate(*from, *to, *expected, draft).await
            }
            Step::Touch(touches) => self.touch(touches).await,
            Step::Delete { at } => self.delete(*at).await,
            Step::Purge { limit } => self.purge(*limit).await,
            Step::List { subject, limit } => self.list(&self.subjects[*subject], *limit).await,
            Step::Pass { ticks } => {
                self.harness.advance(self.harness.tick() * *ticks).await;
                Ok(())
            }
        }
    }

    /// Where time is real, nobody can tell what a call has to answer that runs across a deadline:
    /// so none does that is done within a tick.
    async fn avoid_deadlines(&self) {
        for _ in 0..2 * KEYS {
            let now = self.harness.now();
            let close = now.plus(self.harness.tick());
            let ends = self.sessions.iter().flatten().map(end_of);
            let Some(end) = ends.filter(|end| now < *end && *end < close).min() else { return };
            advance_to(self.harness, end).await;
        }
    }

    async fn create(&mut self, at: usize, draft: &Draft) -> Result<(), String> {
        let record = self.record(draft);
        let alive = self.alive(at).is_some();
        match answer("create", self.store.create(&self.keys[at], &record).await)? {
            Created::Created(_) if alive => Err("create overwrote a live session".to_owned()),
            Created::Duplicate if !alive => Err("create: Duplicate for a free key".to_owned()),
            Created::Created(revision) => self.written(at, record, revision, Revision::UNSAVED),
            Created::Duplicate => Ok(()),
        }
    }

    async fn load(&mut self, at: usize, known: Option<Guess>) -> Result<(), String> {
        let known = known.map(|guess| self.revision(at, guess));
        let load = known.map_or(Load::default(), |known| Load::default().known(known));
        let loaded = answer("load", self.store.load(&self.keys[at], load).await)?;
        match (loaded, self.alive(at)) {
            (Loaded::Absent, None) => Ok(()),
            (Loaded::Unchanged { idle_deadline }, Some(session)) => {
                let same = known == Some(session.revision);
                agree(same, "load: Unchanged, but the known revision is not the stored one")?;
                let same = idle_deadline == session.idle_deadline;
                agree(same, "load: Unchanged with another idle deadline")
            }
            (Loaded::Found { record, .. }, Some(session)) => {
                agree(known != Some(session.revision), "load: Found what was known")?;
                same("load", &record, session)
            }
            (loaded, session) => {
                let there = if session.is_some() { "alive" } else { "absent" };
                Err(format!("load: {loaded:?}, but the session is {there}"))
            }
        }
    }

    async fn replace(&mut self, at: usize, guess: Guess, draft: &Draft) -> Result<(), String> {
        let (record, expected) = (self.record(draft), self.revision(at, guess));
        let replaced = self.store.replace(&self.keys[at], &record, expected).await;
        match (answer("replace", replaced)?, self.alive(at)) {
            (Replaced::Gone, None) => Ok(()),
            (Replaced::Conflict(current), Some(session)) if session.revision != expected => {
                same("replace: Conflict", &current, session)
            }
            (Replaced::Replaced(revision), Some(session)) if session.revision == expected => {
                self.written(at, record, revision, expected)
            }
            (other, session) => Err(unexpected("replace", &other, session, expected)),
        }
    }

    async fn rotate(
        &mut self,
        from: usize,
        to: usize,
        guess: Guess,
        draft: &Draft,
    ) -> Result<(), String> {
        let (record, expected) = (self.record(draft), self.revision(from, guess));
        let (old, new) = (&self.keys[from], &self.keys[to]);
        let rotated = self.store.rotate(old, new, &record, expected).await;
        if rotated.is_err() && self.alive(to).is_some() {
            // Whether the old key or the taken one is looked at first is the store's affair.
            return Ok(());
        }
        match (answer("rotate", rotated)?, self.alive(from)) {
            (Replaced::Gone, None) => Ok(()),
            (Replaced::Conflict(current), Some(session)) if session.revision != expected => {
                same("rotate: Conflict", &current, session)
            }
            (Replaced::Replaced(revision), Some(session)) if session.revision == expected => {
                agree(self.alive(to).is_none(), "rotate overwrote a live session")?;
                self.sessions[from] = None;
                self.written(to, record, revision, expected)
            }
            (other, session) => Err(unexpected("rotate", &other, session, expected)),
        }
    }

    async fn touch(&mut self, touches: &[(usize, u32)]) -> Result<(), String> {
        let now = self.harness.now();
        let batch: Vec<Touch> = touches
            .iter()
            .map(|(at, ticks)| Touch {
                key: self.keys[*at],
                idle_deadline: now.plus(self.harness.tick() * *ticks),
            })
            .collect();
        let answers = answer("touch", self.store.touch(&batch).await)?;
        agree(answers.len() == batch.len(), "touch: not one answer for each touch")?;
        for (((at, _), touch), answer) in touches.iter().zip(batch).zip(answers) {
            let expected = if self.alive(*at).is_some() { Touched::Done } else { Touched::Gone };
            agree(answer == expected, "touch: Done for an absent session, or Gone for a live one")?;
            if let (Touched::Done, Some(session)) = (answer, &mut self.sessions[*at]) {
                let target = touch.idle_deadline.min(session.absolute_deadline);
                session.idle_deadline = session.idle_deadline.max(target);
            }
        }
        Ok(())
    }

    async fn delete(&mut self, at: usize) -> Result<(), String> {
        let alive = self.alive(at).is_some();
        let was_there = answer("delete", self.store.delete(&self.keys[at]).await)?;
        self.sessions[at] = None;
        agree(was_there == alive, "delete: wrong about whether the session was there")
    }

    async fn purge(&self, limit: usize) -> Result<(), String> {
        let freed = answer("purge_expired", self.store.purge_expired(limit).await)?;
        let most = if self.store.qualities().native_expiry { 0 } else { limit };
        agree(freed <= most, "purge_expired: more than its limit, or something to do natively")
    }

    async fn list(&self, subject: &Subject, limit: usize) -> Result<(), String> {
        let Some(index) = self.store.subjects() else { return Ok(()) };
        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let page = answer("list", index.list(subject, after.as_ref(), limit).await)?;
            agree(page.sessions.len() <= limit, "list: more than the limit")?;
            listed.extend(page.sessions);
            let Some(next) = page.next else { break };
            agree(after.is_none_or(|after| next > after), "list: pages do not go on")?;
            after = Some(next);
        }
        let mut expected: Vec<(Key, &Record)> = (0..KEYS)
            .filter_map(|at| Some((self.keys[at], self.alive(at)?)))
            .filter(|(_, session)| session.subject.as_ref() == Some(subject))
            .collect();
        expected.sort_by_key(|(key, _)| *key);
        let keys = expected.iter().map(|(key, _)| key);
        agree(listed.iter().map(|(key, _)| key).eq(keys), "list: not the subject's live sessions")?;
        for ((_, record), (_, session)) in listed.iter().zip(expected) {
            same("list", record, session)?;
        }
        Ok(())
    }

    fn alive(&self, at: usize) -> Option<&Record> {
        self.sessions[at].as_ref().filter(|session| !session.is_expired(self.harness.now()))
    }

    /// Notes that `record` is stored, at a revision that has to be higher than `before`.
    fn written(
        &mut self,
        at: usize,
        record: Record,
        revision: Revision,
        before: Revision,
    ) -> Result<(), String> {
        self.sessions[at] = Some(Record { revision, ..record });
        self.last[at] = revision;
        agree(revision > before, "a write has no higher revision than the one before")
    }

    fn record(&self, draft: &Draft) -> Record {
        let after = |ticks| -> Timestamp { self.harness.now().plus(self.harness.tick() * ticks) };
        Record {
            idle_deadline: after(draft.idle_ticks),
            absolute_deadline: after(draft.absolute_ticks),
            subject: draft.subject.map(|subject| self.subjects[subject].clone()),
            payload: Payload::new(vec![draft.payload; usize::from(draft.payload)]),
            ..sample::record(self.harness.now())
        }
    }

    fn revision(&self, at: usize, guess: Guess) -> Revision {
        let last = self.last[at];
        match guess {
            Guess::Right => last,
            Guess::Lower => Revision::new(last.get().saturating_sub(1)),
            Guess::Higher => last.next(),
            Guess::Unsaved => Revision::UNSAVED,
        }
    }
}

fn end_of(record: &Record) -> Timestamp {
    record.idle_deadline.min(record.absolute_deadline)
}

fn answer<T>(call: &str, result: Result<T, Error>) -> Result<T, String> {
    result.map_err(|error| failed(call, &error))
}

fn failed(call: &str, error: &Error) -> String {
    format!("{call} failed: {error}")
}

fn agree(agreed: bool, difference: &str) -> Result<(), String> {
    if agreed { Ok(()) } else { Err(difference.to_owned()) }
}

fn same(call: &str, found: &Record, expected: &Record) -> Result<(), String> {
    let mut columns = sample::differences(found, expected);
    if found.revision != expected.revision {
        columns.push("revision");
    }
    if columns.is_empty() { Ok(()) } else { Err(format!("{call}: wrong {columns:?}")) }
}

fn unexpected(
    call: &str,
    answer: &Replaced,
    session: Option<&Record>,
    expected: Revision,
) -> String {
    let state = match session {
        None => "absent",
        Some(session) if session.revision == expected => "at the expected revision",
        Some(_) => "at another revision",
    };
    format!("{call}: {}, but the session is {state}", name(answer))
}
