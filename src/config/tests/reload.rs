//! Configurations that are read again.

use std::time::Duration;

use session_core::Caching;

use super::*;

const TEXT: &str = "\
[session]
store = \"main\"
idle_timeout = \"30m\"
touch_after = 0.5
cookie = { name = \"id\", secure = false }
[stores.main]
kind = \"memory\"
max_sessions = 10
";

fn reloaded(newer: &str) -> Result<Sessions, Error> {
    let config = Config::parse(TEXT, "old.toml", [])?;
    let sessions = config.build()?;
    config.reload(&sessions, &Config::parse(newer, "new.toml", [])?)?;
    Ok(sessions)
}

#[test]
fn what_is_not_said_any_more_has_its_default_again() {
    let newer = TEXT.replace("30m", "5m").replace("touch_after = 0.5\n", "");
    let sessions = reloaded(&newer).unwrap();
    assert_eq!(sessions.timeouts().idle(), Duration::from_secs(300));
    let shown = format!("{sessions:?}");
    assert!(shown.contains("touch_after: 0.1"), "{shown}");
}

#[test]
fn what_code_has_set_stays_set() {
    let config = Config::parse(TEXT, "old.toml", []).unwrap();
    let config = config.adjust(|builder| builder.caching(Caching::NoCacheSetCookie));
    let sessions = config.build().unwrap();
    let newer = Config::parse(&TEXT.replace("30m", "5m"), "new.toml", []).unwrap();
    config.reload(&sessions, &newer).unwrap();
    assert_eq!(sessions.timeouts().idle(), Duration::from_secs(300));
    assert_eq!(sessions.caching(), Caching::NoCacheSetCookie);
}

#[test]
fn what_cannot_change_is_named_with_its_line() {
    let cases = [
        ("max_sessions = 10", "max_sessions = 11", "stores.main.max_sessions", Some("8")),
        ("max_sessions = 10", "", "stores.main.max_sessions", Some("6")),
        (
            "[stores.main]",
            "[stores.other]\nkind = \"memory\"\n[stores.main]",
            "stores.other",
            Some("6"),
        ),
        ("name = \"id\"", "name = \"id2\"", "session.cookie.name", Some("5")),
        ("name = \"id\"", "name = \"id\", path = \"/app\"", "session.cookie.path", Some("5")),
        // As for the start.
        ("0.5", "1.5", "session.touch_after", Some("4")),
    ];
    for (old, new, field, line) in cases {
        let newer = TEXT.replace(old, new);
        assert_ne!(newer, TEXT);
        let error = reloaded(&newer).unwrap_err();
        assert_eq!(error.context("field"), Some(field), "{error}");
        assert_eq!(error.context("line"), line, "{error}");
        assert_eq!(error.context("file"), Some("new.toml"), "{error}");
    }
}

#[test]
fn another_store_is_refused_although_it_is_there() {
    let two = format!("{TEXT}[stores.spare]\nkind = \"memory\"\n");
    let config = Config::parse(&two, "old.toml", []).unwrap();
    let sessions = config.build().unwrap();
    let newer = two.replace("store = \"main\"", "store = \"spare\"");
    let newer = Config::parse(&newer, "new.toml", []).unwrap();
    let error = config.reload(&sessions, &newer).unwrap_err();
    assert_eq!(error.context("field"), Some("session.store"), "{error}");
    config.reload(&sessions, &config).unwrap();
}
