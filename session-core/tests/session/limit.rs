//! A limit on the sessions that a subject has at once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::{
    Backplane, Created, Error, ErrorKind, Field, Key, KeyRing, Load, Loaded, Qualities, Record,
    Replaced, Revision, SessionCookie, SessionLimit, Sessions, Store, Subject, SubjectIndex, Touch,
    Touched,
};
use session_memory::MemoryStore;
use session_testkit::{CountingStore, FaultyStore, Gate, Method};

use crate::cancellation::poll_once;
use crate::visitor::{App, Visitor, app, app_over, app_with};

const CART: Field<u64> = Field::new("cart");

fn ada() -> Subject {
    Subject::new("ada").unwrap()
}

fn evict(sessions: usize) -> SessionLimit {
    SessionLimit::evict_oldest(sessions).unwrap()
}

fn refuse(sessions: usize) -> SessionLimit {
    SessionLimit::refuse(sessions).unwrap()
}

fn limited(limit: SessionLimit) -> (App, Arc<FaultyStore>) {
    app_over(FaultyStore::new, |builder| builder.session_limit(limit))
}

/// Signs in; what was the matter if it failed.
async fn log_in(app: &App, visitor: &mut Visitor) -> Option<ErrorKind> {
    app.clock.advance(Duration::from_millis(1));
    let ((), finished) = visitor.visit(&app.sessions, async |s| s.log_in(ada())).await;
    finished.error.map(|error| error.kind())
}

async fn signed_in(app: &App) -> Visitor {
    let mut visitor = Visitor::default();
    assert_eq!(log_in(app, &mut visitor).await, None);
    visitor
}

/// A visitor with something in the cart who has not signed in.
async fn anonymous(app: &App) -> Visitor {
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert(CART, &1).unwrap()).await;
    visitor
}

async fn is_signed_in(app: &App, visitor: &Visitor) -> bool {
    let session = visitor.open(&app.sessions).load().await.unwrap();
    session.subject() == Some(ada())
}

async fn count_signed_in(app: &App, visitors: &[Visitor]) -> usize {
    let mut count = 0;
    for visitor in visitors {
        count += usize::from(is_signed_in(app, visitor).await);
    }
    count
}

async fn live(app: &App) -> usize {
    app.sessions.list(&ada()).await.unwrap().len()
}

#[tokio::test]
async fn a_log_in_over_the_limit_ends_the_oldest_session() {
    let app = app_with(|builder| builder.session_limit(evict(3)));
    let mut visitors = Vec::new();
    for count in 1..=5 {
        visitors.push(match count % 2 {
            0 => signed_in(&app).await,
            _ => {
                let mut visitor = anonymous(&app).await;
                assert_eq!(log_in(&app, &mut visitor).await, None);
                visitor
            }
        });
        assert_eq!(live(&app).await, count.min(3));
    }
    assert_eq!(count_signed_in(&app, &visitors[..2]).await, 0);
    assert_eq!(count_signed_in(&app, &visitors[2..]).await, 3);
    // Whoever signs in again is no longer the oldest.
    assert_eq!(log_in(&app, &mut visitors[2]).await, None);
    visitors.push(signed_in(&app).await);
    assert!(!is_signed_in(&app, &visitors[3]).await);
    assert!(is_signed_in(&app, &visitors[2]).await);
}

#[tokio::test]
async fn a_log_in_over_the_limit_is_refused_and_nothing_is_written() {
    let app = app_with(|builder| builder.session_limit(refuse(2)));
    let mut first = signed_in(&app).await;
    let second = signed_in(&app).await;
    let mut shopping = anonymous(&app).await;
    let before = shopping.clone();
    for _ in 0..3 {
        assert_eq!(log_in(&app, &mut shopping).await, Some(ErrorKind::LimitReached));
        assert_eq!(log_in(&app, &mut Visitor::default()).await, Some(ErrorKind::LimitReached));
    }
    assert_eq!(shopping.cookie, before.cookie, "the client keeps its token");
    assert_eq!(app.store.len(), 3);
    assert!(is_signed_in(&app, &first).await && is_signed_in(&app, &second).await);

    first.request(&app.sessions, async |session| session.log_out()).await;
    assert_eq!(log_in(&app, &mut shopping).await, None);
    shopping
        .request(&app.sessions, async |session| {
            assert_eq!(session.get(CART).unwrap(), Some(1));
        })
        .await;
}

#[tokio::test]
async fn a_handler_may_answer_a_refusal_or_make_room_and_try_again() {
    let app = app_with(|builder| builder.session_limit(refuse(1)));
    let first = signed_in(&app).await;
    let mut visitor = anonymous(&app).await;

    let lazy = visitor.open(&app.sessions);
    let session = lazy.load().await.unwrap();
    session.log_in(ada());
    let error = session.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitReached);
    assert_eq!((error.context("limit"), error.is_retryable()), (Some("1"), false));
    assert_eq!(session.subject(), None);
    let finished = lazy.finish(true).await;
    assert!(finished.error.is_none() && finished.header.is_none());

    visitor
        .request(&app.sessions, async |session| {
            session.log_in(ada());
            session.commit().await.unwrap_err();
            app.sessions.revoke_all(&ada()).await.unwrap();
            session.log_in(ada());
            session.commit().await.unwrap();
        })
        .await;
    assert!(is_signed_in(&app, &visitor).await && !is_signed_in(&app, &first).await);
}

#[tokio::test]
async fn only_the_subjects_own_sessions_count() {
    for limit in [evict(1), refuse(1)] {
        let app = app_with(|builder| builder.session_limit(limit));
        let bob = Subject::new("bob").unwrap();
        let mut bobs = Visitor::default();
        bobs.request(&app.sessions, async |session| session.log_in(bob.clone())).await;
        anonymous(&app).await;
        let adas = signed_in(&app).await;
        assert_eq!(app.store.len(), 3);

        // The session becomes one of ada's, who has hers already.
        let refused = log_in(&app, &mut bobs).await;
        assert_eq!(refused.is_some(), limit == refuse(1));
        assert_eq!(is_signed_in(&app, &adas).await, refused.is_some());
        let left = app.sessions.list(&bob).await.unwrap().len();
        assert_eq!(left, usize::from(refused.is_some()), "bob's session is as it was, or ada's");
        assert_eq!(live(&app).await, 1);
    }
}

#[tokio::test]
async fn a_session_in_whose_place_somebody_signs_in_does_not_count() {
    let app = app();
    let mut visitor = signed_in(&app).await;
    let elsewhere = Sessions::builder(app.store.clone())
        .cookie(SessionCookie::new("id"))
        .clock(Arc::new(app.clock.clone()))
        .encrypt(KeyRing::new([vec![7; 32]]).unwrap())
        .session_limit(refuse(1))
        .build()
        .unwrap();
    visitor
        .request(&elsewhere, async |session| {
            assert!(!session.exists(), "it is not sealed, and so cannot be read");
            session.log_in(ada());
        })
        .await;
    visitor.request(&elsewhere, async |session| assert!(session.exists())).await;
    assert_eq!(live(&app).await, 1);
}

#[tokio::test]
async fn a_session_that_is_the_subjects_already_is_no_further_one() {
    for limit in [None, Some(evict(1)), Some(refuse(1))] {
        let (app, store) = app_over(CountingStore::new, |builder| match limit {
            Some(limit) => builder.session_limit(limit),
            None => builder,
        });
        let mut visitor = anonymous(&app).await;
        assert_eq!(store.counts().list, 0, "nobody is signed in");
        assert_eq!(log_in(&app, &mut visitor).await, None);
        let lists = store.counts().list;
        let expected = if limit.is_none() { 0 } else { 1 + u64::from(limit == Some(refuse(1))) };
        assert_eq!(lists, expected, "{limit:?}");

        assert_eq!(log_in(&app, &mut visitor).await, None);
        visitor.request(&app.sessions, async |session| session.rotate()).await;
        visitor.request(&app.sessions, async |session| session.insert(CART, &2).unwrap()).await;
        visitor
            .request(&app.sessions, async |session| {
                session.log_out();
                session.log_in(ada());
            })
            .await;
        visitor.request(&app.sessions, async |session| session.rotate()).await;
        assert_eq!(store.counts().list, lists, "{limit:?}");
        assert!(is_signed_in(&app, &visitor).await);
        assert_eq!(app.store.len(), 1);
    }
}

#[tokio::test]
async fn a_limit_that_comes_late_ends_all_that_are_over_it() {
    let app = app();
    for _ in 0..600 {
        signed_in(&app).await;
    }
    let limited = Sessions::builder(app.store.clone())
        .cookie(SessionCookie::new("id"))
        .clock(Arc::new(app.clock.clone()))
        .session_limit(evict(5))
        .build()
        .unwrap();
    app.clock.advance(Duration::from_millis(1));
    let mut visitor = Visitor::default();
    visitor.request(&limited, async |session| session.log_in(ada())).await;
    assert_eq!(live(&app).await, 5);
    assert!(is_signed_in(&app, &visitor).await);
}

#[test]
fn a_limit_that_cannot_be_kept_is_not_built() {
    for limit in [SessionLimit::evict_oldest(0), SessionLimit::refuse(0)] {
        let error = limit.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert_eq!(error.context("field"), Some("sessions"));
    }
    let error = Sessions::builder(WithoutIndex(MemoryStore::new()))
        .session_limit(evict(3))
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert_eq!(error.context("field"), Some("session_limit"));
    assert!(Sessions::builder(WithoutIndex(MemoryStore::new())).build().is_ok());
    let sessions = Sessions::builder(MemoryStore::new()).session_limit(evict(3)).build().unwrap();
    assert_eq!(sessions.session_limit(), Some(evict(3)));
}

/// What became of a visitor who signed in along with others.
type Outcome = (Visitor, Option<ErrorKind>);

/// Holds the writes of these visitors' log-ins.
fn hold_writes(
    store: &FaultyStore,
    visitors: &[Visitor],
    hold: impl Fn(&FaultyStore, Method) -> Gate,
) -> Vec<Gate> {
    let write = |visitor: &Visitor| match visitor.cookie {
        Some(_) => Method::Rotate,
        None => Method::Create,
    };
    visitors.iter().map(|visitor| hold(store, write(visitor))).collect()
}

/// Starts to sign in all visitors, each in a task of its own.
fn start(app: &Arc<App>, visitors: Vec<Visitor>) -> Vec<tokio::task::JoinHandle<Outcome>> {
    let start = |mut visitor: Visitor| {
        let app = Arc::clone(app);
        tokio::spawn(async move {
            let failed = log_in(&app, &mut visitor).await;
            (visitor, failed)
        })
    };
    visitors.into_iter().map(start).collect()
}

/// Signs in all visitors at the same moment: everybody is about to write before anybody has.
async fn race(app: &Arc<App>, store: &FaultyStore, visitors: Vec<Visitor>) -> Vec<Outcome> {
    let gates = hold_writes(store, &visitors, FaultyStore::hold_call);
    finish(gates, start(app, visitors)).await
}

async fn finish(gates: Vec<Gate>, racing: Vec<tokio::task::JoinHandle<Outcome>>) -> Vec<Outcome> {
    for gate in &gates {
        gate.reached().await;
    }
    drop(gates);
    let mut outcomes = Vec::new();
    for outcome in racing {
        outcomes.push(outcome.await.unwrap());
    }
    outcomes
}

/// Visitors of whom every other one has an anonymous session.
async fn crowd(app: &App, size: usize) -> Vec<Visitor> {
    let mut visitors = vec![Visitor::default(); size];
    for visitor in visitors.iter_mut().step_by(2) {
        *visitor = anonymous(app).await;
    }
    visitors
}

/// Those that were let in.
fn admitted(outcomes: Vec<Outcome>, otherwise: ErrorKind) -> Vec<Visitor> {
    let admitted = outcomes.into_iter().filter_map(|(visitor, failed)| match failed {
        None => Some(visitor),
        Some(kind) => {
            assert_eq!((kind, visitor.cookie), (otherwise, None));
            None
        }
    });
    admitted.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_log_ins_as_many_stay_as_the_limit_allows() {
    for (limit, size, rounds) in [(3, 16, 60), (3, 4, 60), (1, 2, 200)] {
        for _ in 0..rounds {
            let (app, store) = limited(evict(limit));
            let app = Arc::new(app);
            let earlier = signed_in(&app).await;
            let visitors = crowd(&app, size).await;
            let outcomes = race(&app, &store, visitors).await;
            assert_eq!(live(&app).await, limit);
            assert!(!is_signed_in(&app, &earlier).await);
            let admitted = admitted(outcomes, ErrorKind::Gone);
            assert_eq!(count_signed_in(&app, &admitted).await, limit, "all are somebody's");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_log_ins_no_more_are_admitted_than_the_limit_allows() {
    for (limit, size, rounds) in [(3, 16, 60), (3, 4, 60), (1, 2, 200)] {
        for _ in 0..rounds {
            let (app, store) = limited(refuse(limit));
            let app = Arc::new(app);
            let visitors = crowd(&app, size).await;
            let outcomes = race(&app, &store, visitors).await;
            let admitted = admitted(outcomes, ErrorKind::LimitReached);
            assert!(admitted.len() <= limit);
            assert_eq!(count_signed_in(&app, &admitted).await, admitted.len(), "they are alive");
            assert_eq!(live(&app).await, admitted.len(), "and nobody else is");
        }
    }
}

#[tokio::test]
async fn two_log_ins_that_both_saw_room_are_not_both_admitted() {
    for both_look_at_once in [false, true] {
        let (app, store) = limited(refuse(1));
        let app = Arc::new(app);
        let visitors = crowd(&app, 2).await;
        let two_looks = || [store.hold_reply(Method::List), store.hold_reply(Method::List)];
        let before_the_write = two_looks();
        let writes = hold_writes(&store, &visitors, FaultyStore::hold_reply);
        let after_the_write = both_look_at_once.then(two_looks);
        let racing = start(&app, visitors);
        for gate in &before_the_write {
            gate.reached().await;
        }
        drop(before_the_write);
        for gate in &writes {
            gate.reached().await;
        }
        drop(writes);
        let outcomes = finish(Vec::from_iter(after_the_write.into_iter().flatten()), racing).await;
        let admitted = admitted(outcomes, ErrorKind::LimitReached);
        // Who looks at the other's session before that one has been taken back gives way too.
        assert_eq!(admitted.len(), usize::from(!both_look_at_once));
        assert_eq!(app.store.len(), admitted.len());
    }
}

#[tokio::test]
async fn a_log_in_that_is_overtaken_before_its_answer_is_told_so() {
    for already_written in [false, true] {
        let (app, store) = limited(evict(1));
        let app = Arc::new(app);
        let slow = crowd(&app, 1).await;
        let hold = if already_written { FaultyStore::hold_reply } else { FaultyStore::hold_call };
        let gates = hold_writes(&store, &slow, hold);
        let racing = start(&app, slow);
        gates[0].reached().await;
        let winner = signed_in(&app).await;
        let outcomes = finish(gates, racing).await;
        assert!(admitted(outcomes, ErrorKind::Gone).is_empty());
        assert!(is_signed_in(&app, &winner).await);
        assert_eq!(app.store.len(), 1);
    }
}

#[tokio::test]
async fn a_victim_that_has_a_new_id_is_ended_all_the_same() {
    let (app, store) = limited(evict(1));
    let app = Arc::new(app);
    let mut victim = signed_in(&app).await;
    let gate = store.hold_call(Method::Delete);
    let racing = start(&app, vec![Visitor::default()]);
    gate.reached().await;
    victim.request(&app.sessions, async |session| session.rotate()).await;
    let outcomes = finish(vec![gate], racing).await;
    let admitted = admitted(outcomes, ErrorKind::Gone);
    assert_eq!(count_signed_in(&app, &admitted).await, 1);
    assert!(!is_signed_in(&app, &victim).await);
    assert_eq!(app.store.len(), 1);
}

#[tokio::test]
async fn a_log_in_that_is_revoked_before_its_answer_is_told_so() {
    for limit in [evict(2), refuse(2)] {
        let (app, store) = limited(limit);
        let app = Arc::new(app);
        let visitors = crowd(&app, 1).await;
        let gates = hold_writes(&store, &visitors, FaultyStore::hold_reply);
        let racing = start(&app, visitors);
        gates[0].reached().await;
        assert_eq!(app.sessions.revoke_all(&ada()).await.unwrap(), 1);
        let outcomes = finish(gates, racing).await;
        assert!(admitted(outcomes, ErrorKind::Gone).is_empty());
        assert!(app.store.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn signing_out_everywhere_while_others_sign_in_leaves_nothing_of_before() {
    for limit in [evict(3), refuse(5)] {
        for _ in 0..60 {
            let (app, store) = limited(limit);
            let app = Arc::new(app);
            let earlier = [signed_in(&app).await, signed_in(&app).await];
            let visitors = crowd(&app, 8).await;
            let gates = hold_writes(&store, &visitors, FaultyStore::hold_call);
            let racing = start(&app, visitors);
            for gate in &gates {
                gate.reached().await;
            }
            let revoking = {
                let app = Arc::clone(&app);
                tokio::spawn(async move { app.sessions.revoke_all(&ada()).await })
            };
            let outcomes = finish(gates, racing).await;
            revoking.await.unwrap().unwrap();
            assert_eq!(count_signed_in(&app, &earlier).await, 0);
            let mut admitted = Vec::new();
            for (visitor, failed) in outcomes {
                match failed {
                    None => admitted.push(visitor),
                    Some(ErrorKind::Gone) => {}
                    Some(kind) => {
                        assert_eq!((kind, limit), (ErrorKind::LimitReached, refuse(5)));
                    }
                }
            }
            assert!(live(&app).await <= limit.sessions());
            assert_eq!(live(&app).await, count_signed_in(&app, &admitted).await);
        }
    }
}

#[tokio::test]
async fn a_log_in_that_cannot_see_to_the_limit_fails_and_leaves_nothing() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Corrupt] {
        for method in [Method::List, Method::Delete] {
            let (app, store) = limited(evict(1));
            let first = signed_in(&app).await;
            for mut visitor in [anonymous(&app).await, Visitor::default()] {
                let had_a_cookie = visitor.cookie.is_some();
                app.clock.advance(Duration::from_millis(1));
                store.fail_next(method, kind);
                let lazy = visitor.open(&app.sessions);
                let session = lazy.load().await.unwrap();
                session.log_in(ada());
                assert_eq!(session.commit().await.unwrap_err().kind(), kind);
                let finished = lazy.finish(true).await;
                assert!(finished.error.is_none() && session.subject().is_none(), "not done again");
                visitor.receive(&finished);
                assert_eq!((visitor.cookie, finished.header.is_some()), (None, had_a_cookie));
                assert_eq!(app.store.len(), 1, "{method:?}");
            }
            assert!(is_signed_in(&app, &first).await);
        }
    }
}

#[tokio::test]
async fn a_refusal_that_cannot_be_decided_lets_nobody_in() {
    let (app, store) = limited(refuse(1));
    let app = Arc::new(app);
    let mut visitor = anonymous(&app).await;
    let before = visitor.cookie.clone();
    store.fail_next(Method::List, ErrorKind::Unavailable);
    assert_eq!(log_in(&app, &mut visitor).await, Some(ErrorKind::Unavailable));
    assert_eq!(visitor.cookie, before, "nothing was written");
    assert!(visitor.open(&app.sessions).load().await.unwrap().contains("cart"));

    let gates = hold_writes(&store, std::slice::from_ref(&visitor), FaultyStore::hold_call);
    let racing = start(&app, vec![visitor]);
    gates[0].reached().await;
    store.fail_next(Method::List, ErrorKind::Unavailable);
    assert!(admitted(finish(gates, racing).await, ErrorKind::Unavailable).is_empty());
    assert!(app.store.is_empty());
    signed_in(&app).await;
}

#[tokio::test]
async fn sessions_left_by_failed_log_ins_are_nobodys_and_make_way() {
    let (app, store) = limited(evict(2));
    let first = signed_in(&app).await;
    store.fail(&[Method::List, Method::Delete], ErrorKind::Timeout);
    for _ in 0..5 {
        let mut visitor = Visitor::default();
        assert_eq!(log_in(&app, &mut visitor).await, Some(ErrorKind::Timeout));
        assert_eq!(visitor.cookie, None, "nobody gets the token");
    }
    store.heal();
    assert!(is_signed_in(&app, &first).await);
    let gate = store.hold_reply(Method::List);
    let lazy = Visitor::default().open(&app.sessions);
    let session = lazy.load().await.unwrap();
    session.log_in(ada());
    assert!(poll_once(session.commit()).is_pending(), "and dropped");
    drop(gate);
    let finished = lazy.finish(false).await;
    assert_eq!(finished.error.unwrap().kind(), ErrorKind::Timeout);
    assert!(finished.header.is_none());

    let last = [signed_in(&app).await, signed_in(&app).await];
    assert_eq!((live(&app).await, app.store.len()), (2, 2));
    assert_eq!(count_signed_in(&app, &last).await, 2);
}

/// A store that cannot tell whose sessions it has.
#[derive(Debug)]
struct WithoutIndex(MemoryStore);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for WithoutIndex {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        self.0.load(key, load).await
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        self.0.create(key, record).await
    }

    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.0.replace(key, record, expected).await
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.0.rotate(from, to, record, expected).await
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        self.0.touch(touches).await
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        self.0.delete(key).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, Error> {
        self.0.purge_expired(limit).await
    }

    async fn fence(&self) -> Result<(), Error> {
        self.0.fence().await
    }

    async fn flush(&self) -> Result<(), Error> {
        self.0.flush().await
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        None
    }

    fn backplane(&self) -> Option<Arc<dyn Backplane>> {
        self.0.backplane()
    }

    fn qualities(&self) -> Qualities {
        self.0.qualities()
    }
}
