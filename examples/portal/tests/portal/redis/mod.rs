//! The portal on Redis: processes of the portal in front of servers that are real, and fail.

pub(crate) mod down_at_start;
mod killed;
mod paused;
mod refusals;
pub(crate) mod samples;
pub(crate) mod script;
mod two_processes;
mod wrong_login;

mod load;

use session_testkit::servers::Redis;

/// What happens is of interest here, not how fast: others are at work on the same processors.
const PATIENT: (&str, &str) = ("SESSION__STORES__MAIN__TIMEOUT", "10s");

/// The configuration with its store at a place, such as `url = "…"`, and with time enough for a
/// busy machine.
pub(crate) fn config_at(place: &str) -> String {
    format!(
        r#"
[session]
store = "main"
cookie = {{ name = "id", secure = false }}
[stores.main]
kind = "redis"
{place}
namespace = "portal"
timeout = "10s"
"#
    )
}

/// The same, for a server that will not answer.
pub(crate) fn in_a_hurry(config: &str) -> String {
    let patient = "timeout = \"10s\"";
    assert_eq!(config.matches(patient).count(), 1, "{config}");
    config.replace(patient, "timeout = \"500ms\"")
}

pub(crate) fn config_for(redis: &Redis) -> String {
    config_at(&format!("url = {:?}", redis.url()))
}
