//! The one list of clauses, and what runs them.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::time::Duration;

use crate::harness::Harness;

/// A clause that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// More threads than most machines that build have cores, so that the scheduler of the operating
/// system mixes the tasks of a clause in its own ways.
const THREADS: usize = 4;

/// One `#[test]` for each clause of the suite.
///
/// Takes a function (or closure) `async fn() -> impl Harness`, which makes a harness for each
/// test. Several stores in one file are several modules:
///
/// ```
/// # use session_testkit::Harness;
/// # mod map_store { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/map_store.rs")); }
/// # use session_testkit::{InProcess, ManualClock};
/// # async fn memory() -> InProcess {
/// #     let clock = ManualClock::default();
/// #     InProcess::new(map_store::MapStore::new(clock.clone()), clock)
/// # }
/// # async fn redis() -> InProcess { memory().await }
/// mod memory_store {
///     session_testkit::store_tests!(super::memory);
/// }
/// mod redis_store {
///     session_testkit::store_tests!(super::redis);
/// }
/// ```
#[macro_export]
macro_rules! store_tests {
    ($harness:expr) => {
        $crate::__each_clause! { $crate::__store_test ($harness) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_test {
    ($harness:tt $($group:ident { $($clause:ident)* })*) => {
        $($(
            #[test]
            fn $clause() {
                let clause = async |harness: &dyn $crate::Harness| {
                    $crate::clauses::$clause(harness).await
                };
                $crate::__run(stringify!($clause), $harness, clause);
            }
        )*)*
    };
}

/// The list. It feeds the public functions in [`clauses`](crate::clauses), the listing
/// [`clauses::all`](crate::clauses::all) and [`store_tests!`]; a clause that is missing here is
/// dead code, at which the compiler complains.
#[doc(hidden)]
#[macro_export]
macro_rules! __each_clause {
    ($($then:tt)*) => {
        $crate::__call! { $($then)*
            load {
                load_absent
                load_known_revision
                load_changes_nothing
                records_come_back_as_given
            }
            create {
                create_never_overwrites
                created_revision_is_readable
            }
            replace {
                replace_checks_the_revision
                replace_never_creates
                replace_sets_the_deadlines
                revisions_rise
            }
            rotate {
                rotate_moves_the_session
                rotate_checks_the_revision
                rotate_never_creates
                rotate_never_overwrites
                rotate_chain
            }
            touch {
                touch_only_extends
                touch_never_creates
                touch_keeps_the_revision
                touch_many
            }
            delete {
                delete_is_idempotent
                deleted_is_absent
            }
            expiry {
                expired_is_absent
                expired_at_the_deadline
                purge_is_bounded
            }
            concurrency {
                concurrent_creates
                concurrent_replaces
                concurrent_delete_and_replace
                concurrent_touch_and_replace
                concurrent_touch_and_delete
                concurrent_purge_and_create
            }
            concurrent_rotation {
                concurrent_rotates
                concurrent_rotate_and_replace
                concurrent_rotate_and_delete
                concurrent_rotate_and_touch
            }
            cancellation {
                cancelled_create
                cancelled_replace
                cancelled_rotate
                cancelled_touch
                cancelled_delete
            }
            subjects {
                subjects_lists_every_session
                subjects_lists_nothing_else
                subjects_pages
                subjects_follow_rotation
                subjects_follow_replace
                concurrent_subjects
            }
            backplane {
                backplane_announces_changes
                backplane_announces_deletes
                backplane_announces_no_touch
                backplane_keeps_the_order
                backplane_echo_comes_last
                backplane_tells_of_nodes
                backplane_next_may_be_cancelled
            }
            qualities {
                durable_survives_reopen
                shared_is_seen_by_others
                native_expiry_frees
                fence_returns
                flush_returns
            }
            model {
                follows_the_model
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __call {
    ($crate_name:tt :: $name:ident $($arguments:tt)*) => {
        $crate_name::$name! { $($arguments)* }
    };
    ($name:ident $($arguments:tt)*) => {
        $name! { $($arguments)* }
    };
}

/// A clause of the contract, as an entry of [`clauses::all`](crate::clauses::all).
#[derive(Clone, Copy)]
pub struct Clause {
    pub(crate) name: &'static str,
    pub(crate) group: &'static str,
    pub(crate) run: for<'a> fn(&'a dyn Harness) -> Running<'a>,
}

pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl Clause {
    /// The name of the threads on which [`report`](Self::report) runs tasks.
    pub const THREADS: &'static str = "session-testkit report";

    /// The name of its function in [`clauses`](crate::clauses).
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it is about: a method of the store, or a subject such as `concurrency`.
    pub fn group(&self) -> &'static str {
        self.group
    }

    /// Checks the clause on the runtime of the caller, which should have several threads.
    ///
    /// # Panics
    ///
    /// If the store breaks the clause.
    pub async fn check(&self, harness: &dyn Harness) {
        (self.run)(harness).await;
    }

    /// Checks the clause on a runtime of its own, on which it makes the harness too.
    ///
    /// # Errors
    ///
    /// How the store breaks the clause. The panic behind it has gone through the panic hook, on
    /// this thread or on one that is named [`Clause::THREADS`].
    pub fn report<H: Harness, F: Future<Output = H>>(
        &self,
        harness: impl FnOnce() -> F,
    ) -> Result<(), Failure> {
        let run = || __run(Self::THREADS, harness, async |harness| self.check(harness).await);
        // Whatever the panic left half done belongs to this one store, which is dropped.
        catch_unwind(AssertUnwindSafe(run))
            .map_err(|panic| Failure { clause: self.name, message: message(&*panic) })
    }
}

impl fmt::Debug for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clause({}: {})", self.group, self.name)
    }
}

/// Which clause a store breaks, and how.
#[derive(Clone, Debug)]
pub struct Failure {
    clause: &'static str,
    message: String,
}

impl Failure {
    /// The clause's name.
    pub fn clause(&self) -> &'static str {
        self.clause
    }

    /// What the clause has seen.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[doc(hidden)]
pub fn __run<H: Harness, F: Future<Output = H>>(
    threads: &str,
    harness: impl FnOnce() -> F,
    clause: impl AsyncFnOnce(&dyn Harness),
) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name(threads)
        .enable_all()
        .build()
        .expect("a runtime for the clause");
    let in_time = runtime.block_on(async {
        let harness = harness().await;
        let in_time = tokio::time::timeout(LIMIT, clause(&harness)).await.is_ok();
        if in_time {
            harness.close().await;
        }
        in_time
    });
    // Not waiting for what a clause may have left behind in a store that hangs.
    runtime.shutdown_background();
    assert!(in_time, "the clause was not done after {LIMIT:?}: does a call of the store hang?");
}

fn message(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(message), _) => message.clone(),
        (None, Some(message)) => (*message).to_owned(),
        (None, None) => "a panic without a message".to_owned(),
    }
}
