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

/// The configuration with its store at a place, such as `url = "…"`.
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
timeout = "500ms"
"#
    )
}

pub(crate) fn config_for(redis: &Redis) -> String {
    config_at(&format!("url = {:?}", redis.url()))
}
