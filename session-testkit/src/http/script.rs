//! The one list of scenarios, and what runs them.

use std::fmt;
use std::pin::Pin;
use std::time::{Duration, Instant};

use super::target::Target;

/// A scenario that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(300);

/// One `#[test]` for each scenario of the [HTTP script](crate::http).
///
/// Takes a function (or closure) `async fn() -> impl AsRef<Target>`, which is called once for each
/// test, on the runtime of that test. What it returns is dropped when the test is done, and may
/// well stop a server that was started for it.
///
/// ```
/// # use session_testkit::http::Target;
/// # async fn start() -> Target { Target::new(([127, 0, 0, 1], 3000).into(), "id") }
/// mod axum {
///     session_testkit::http_tests!(super::start);
/// }
/// ```
#[macro_export]
macro_rules! http_tests {
    ($target:expr) => {
        $crate::__each_scenario! { [$crate::__http_test] ($target) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __http_test {
    ($target:tt $($group:ident { $($scenario:ident)* })*) => {
        $($(
            #[test]
            fn $scenario() {
                $crate::http::__run($target, async |target| {
                    $crate::http::scenarios::$scenario(target).await;
                });
            }
        )*)*
    };
}

/// The list. It feeds the public functions in [`scenarios`](super::scenarios), the listing
/// [`scenarios::all`](super::scenarios::all) and [`http_tests!`]; a scenario that is missing here
/// is dead code, at which the compiler complains.
#[doc(hidden)]
#[macro_export]
macro_rules! __each_scenario {
    ([$($then:tt)*] $arguments:tt) => {
        $($then)*! { $arguments
            plan {
                nothing_and_read_sets_nothing
                nothing_and_written_sets_a_token
                live_and_read_changes_nothing
                live_and_written_stays_the_session
                live_and_rotated_moves
                live_and_logged_in_moves
                live_and_destroyed_is_cleared
                unknown_id_is_never_adopted
                malformed_id_is_anonymous
                unused_session_is_left_alone
            }
            cookies {
                removal_has_the_attributes_of_the_cookie
                no_cookie_outlives_400_days
                cookie_name_is_exact
            }
            caching {
                responses_with_a_session_are_not_stored
                responses_without_a_session_may_be_stored
                shared_cache_keeps_users_apart
            }
            fixation {
                planted_id_is_dead_after_log_in
                log_in_again_moves_the_session
                other_user_inherits_nothing
                flood_of_unknown_ids_adopts_none
                flood_without_cookies_creates_nothing
            }
            timeouts {
                own_timeouts_hold_for_later_requests
                idle_session_ends
                activity_never_extends_the_absolute_timeout
                impossible_timeouts_change_nothing
            }
            counter {
                counter_loses_no_increment
                counter_now_returns_each_value_once
            }
            data {
                values_come_back_as_stored
                names_do_not_collide
                concurrent_writes_of_different_names_survive
                slow_write_loses_nothing
            }
            limits {
                too_large_a_value_changes_nothing
                full_session_keeps_what_it_has
            }
            logout {
                log_out_twice_is_no_error
                slow_write_does_not_undo_a_log_out
                logged_out_stays_dead_in_any_schedule
            }
            rotation {
                rotation_keeps_the_data
                rotation_amid_parallel_requests_loses_nothing
                one_of_parallel_rotations_wins
                rotate_chain_leaves_one_live_id
            }
            devices {
                devices_are_listed
                device_is_revoked
                devices_of_others_cannot_be_revoked
                other_devices_are_revoked
                all_devices_are_revoked
            }
            errors {
                errors_are_typed
                wrong_password_changes_nothing
            }
            bad_headers {
                bad_cookie_headers_are_harmless
                every_byte_in_a_cookie_is_harmless
                conflicting_cookies_are_rejected
            }
            bad_ids {
                bad_ids_are_harmless
                changed_ids_open_nothing
                what_the_store_holds_opens_nothing
            }
            leaks {
                tokens_stay_in_cookies
                page_escapes_what_clients_send
            }
        }
    };
}

/// A scenario, as an entry of [`scenarios::all`](super::scenarios::all).
#[derive(Clone, Copy)]
pub struct Scenario {
    pub(super) name: &'static str,
    pub(super) group: &'static str,
    pub(super) run: for<'a> fn(&'a Target) -> Running<'a>,
}

pub(super) type Running<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl Scenario {
    /// The name of its function in [`scenarios`](super::scenarios).
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it is about.
    pub fn group(&self) -> &'static str {
        self.group
    }

    /// Plays the scenario.
    ///
    /// # Panics
    ///
    /// If the server does not do as it should, or takes minutes for it.
    pub async fn play(&self, target: &Target) {
        let in_time = tokio::time::timeout(LIMIT, (self.run)(target)).await;
        assert!(in_time.is_ok(), "{self:?} was not done after {LIMIT:?}");
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scenario({}: {})", self.group, self.name)
    }
}

/// Plays all scenarios, one after the other, and prints a line for each.
///
/// # Panics
///
/// At the end, if one of them did.
pub async fn run(target: &Target) {
    let mut failed = Vec::new();
    for scenario in super::scenarios::all() {
        let target = target.clone();
        let begun = Instant::now();
        let played = tokio::spawn(async move { scenario.play(&target).await }).await;
        let verdict = if played.is_ok() { "ok" } else { "FAILED" };
        let Scenario { group, name, run: _ } = scenario;
        println!("{verdict:<6} {group}: {name} ({} ms)", begun.elapsed().as_millis());
        if played.is_err() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "{} scenarios failed: {}", failed.len(), failed.join(", "));
}

#[doc(hidden)]
pub fn __run<T: AsRef<Target>, F: Future<Output = T>>(
    target: impl FnOnce() -> F,
    scenario: impl AsyncFnOnce(&Target),
) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("session-testkit")
        .enable_all()
        .build()
        .expect("a runtime for the scenario");
    let in_time = runtime.block_on(async {
        let target = target().await;
        tokio::time::timeout(LIMIT, scenario(target.as_ref())).await.is_ok()
    });
    runtime.shutdown_background();
    assert!(in_time, "the scenario was not done after {LIMIT:?}");
}
