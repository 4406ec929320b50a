//! Which sessions the portal has: those of a file, or of the one it carries with it.

use std::path::Path;

use session_kit::Error;
use session_kit::config::Config;

const BUILT_IN: &str = include_str!("../portal.toml");

/// The configuration in `file`, or the built-in one: the embedded store and a cookie that works
/// without TLS. The environment overrides either.
///
/// # Errors
///
/// [`ErrorKind::Misconfigured`](session_kit::ErrorKind::Misconfigured), naming file, setting,
/// value and reason.
pub fn config(file: Option<&Path>) -> Result<Config, Error> {
    match file {
        Some(file) => Config::load(file),
        None => Config::parse(BUILT_IN, "the built-in configuration", environment()),
    }
}

/// What is not UTF-8 cannot be meant for a setting.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
