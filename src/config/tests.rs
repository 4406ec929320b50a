use std::path::PathBuf;
use std::time::Duration;

use session_core::{Caching, SessionLimit, Timeouts};

use super::*;

mod layered;
mod redis;
#[cfg(all(
    feature = "cbor",
    feature = "encrypt",
    feature = "layered",
    feature = "msgpack",
    feature = "mysql",
    feature = "postgres",
    feature = "redis",
    feature = "secure-cookies",
    feature = "sqlite"
))]
mod refusals;
mod registry;
mod reload;
mod samples;
mod sql;

const MEMORY: &str = r#"
[session]
store = "main"
idle_timeout = "30m"
absolute_timeout = "12h"
cookie = { name = "id", secure = false, same_site = "lax" }

[stores.main]
kind = "memory"
max_sessions = 1000000
"#;

fn sessions(text: &str, environment: &[(&str, &str)]) -> Result<Sessions, Error> {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    Config::parse(text, "session.toml", environment.iter().map(owned))?.build()
}

/// The sample with a line put in place of the one that sets the same.
fn changed(line: &str) -> String {
    let name = line.split(' ').next().unwrap();
    let kept = MEMORY.lines().filter(|old| !old.starts_with(&format!("{name} ")));
    let lines: Vec<&str> = kept.collect();
    lines.join("\n").replace("[session]", &format!("[session]\n{line}"))
}

/// What is in the repository is what was made now. With `UPDATE=1` it is written.
#[allow(dead_code, reason = "what is in the repository was made with every feature on")]
#[track_caller]
fn expect_file(path: &str, text: &str) {
    let path = in_repository(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (kept, now)) in kept.lines().zip(text.lines()).enumerate() {
        assert_eq!(kept, now, "line {} of {} (UPDATE=1 writes it)", line + 1, path.display());
    }
    assert!(kept == text, "{} is not up to date (UPDATE=1 writes it)", path.display());
}

#[allow(dead_code, reason = "what is in the repository was made with every feature on")]
fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_sample_is_what_it_says() {
    let sessions = sessions(MEMORY, &[]).unwrap();
    assert_eq!(sessions.timeouts(), Timeouts::default());
    assert_eq!(sessions.namespace().as_str(), "id");
}

#[test]
fn the_environment_overrides_and_fills_in() {
    let sessions = sessions(
        &changed("namespace = \"${APP}.eu\""),
        &[
            ("APP", "shop"),
            ("SESSION__SESSION__IDLE_TIMEOUT", "5m"),
            ("SESSION__SESSION__COOKIE__NAME", "7"),
            ("SESSION__SESSION__COOKIE__SECURE", "true"),
            ("SESSION__SESSION__TOUCH_AFTER", "0.5"),
            ("SESSION__STORES__MAIN__MAX_SESSIONS", "1"),
            ("SESSION_ID", "somebody else's"),
        ],
    )
    .unwrap();
    assert_eq!(sessions.timeouts().idle(), Duration::from_secs(300));
    assert_eq!(sessions.namespace().as_str(), "shop.eu");
}

#[test]
fn what_a_variable_brings_is_taken_as_it_is() {
    let error = sessions(MEMORY, &[("SESSION__SESSION__NAMESPACE", "a${b")]).unwrap_err();
    assert!(error.to_string().contains("namespace") && !error.to_string().contains("without"));
    let error = sessions(MEMORY, &[("SESSION__SESSION__CODEC", "${HOME}")]).unwrap_err();
    assert_eq!(error.context("value"), Some("\"${HOME}\""), "{error}");
}

#[test]
fn a_token_may_travel_in_a_header() {
    let of = |header: &str| {
        let cookie = "cookie = { name = \"id\", secure = false, same_site = \"lax\" }";
        sessions(&MEMORY.replace(cookie, header), &[])
    };
    let bearer = of("header = { scheme = \"bearer\" }").unwrap();
    assert_eq!(
        (bearer.request_header(), bearer.response_header(), bearer.vary()),
        ("authorization", "session-token", "Authorization")
    );
    let named = of("header = { name = \"X-Session\", response = \"X-Next\" }").unwrap();
    assert_eq!((named.request_header(), named.response_header()), ("x-session", "x-next"));
    assert_eq!(named.namespace().as_str(), "x-session");
}

#[test]
fn responses_say_to_caches_what_is_configured() {
    let caching = |line| sessions(&changed(line), &[]).unwrap().caching();
    assert_eq!(caching("caching = \"no-store\""), Caching::NoStore);
    assert_eq!(caching("caching = \"no-cache-set-cookie\""), Caching::NoCacheSetCookie);
}

#[test]
fn code_has_the_last_word() {
    let config = Config::parse(MEMORY, "session.toml", []).unwrap();
    let config = config.adjust(|builder| builder.timeouts(Timeouts::default()).max_attempts(0));
    let error = config.build().unwrap_err();
    assert_eq!(error.context("field"), Some("session.max_attempts"), "{error}");
}

#[test]
fn a_variable_is_whatever_the_setting_needs() {
    let namespace = [("SESSION__SESSION__NAMESPACE", "7")];
    assert_eq!(sessions(MEMORY, &namespace).unwrap().namespace().as_str(), "7");
    let text = MEMORY.replace("main", "Main");
    let error = sessions(&text, &[("SESSION__STORES__MAIN__MAX_SESSIONS", "0")]).unwrap_err();
    assert_eq!(error.context("field"), Some("stores.Main.max_sessions"));
    for variable in ["SESSION__", "SESSION__SESSION__", "SESSION____STORE"] {
        let error = sessions(MEMORY, &[(variable, "x")]).unwrap_err();
        assert_eq!(error.context("variable"), Some(variable), "{error}");
    }
}

#[test]
fn a_limit_on_sessions_is_as_written() {
    let limit = |text: &str, environment: &[(&str, &str)]| {
        sessions(text, environment).unwrap().session_limit()
    };
    assert_eq!(limit(MEMORY, &[]), None);
    let refuse = changed("session_limit = { sessions = 5, over = \"refuse\" }");
    assert_eq!(limit(&refuse, &[]), Some(SessionLimit::refuse(5).unwrap()));
    let fewer = [
        ("SESSION__SESSION__SESSION_LIMIT__SESSIONS", "2"),
        ("SESSION__SESSION__SESSION_LIMIT__OVER", "evict-oldest"),
    ];
    assert_eq!(limit(&refuse, &fewer), Some(SessionLimit::evict_oldest(2).unwrap()));
}

/// Each with the words that its message must have.
#[test]
fn what_cannot_be_right_stops_the_start() {
    let cases: &[(&str, &[&str])] = &[
        ("idle_timeout = 30", &["session.idle_timeout", "30", "string"]),
        ("idle_timeout = \"soon\"", &["session.idle_timeout", "\"soon\"", "30m"]),
        ("idle_timeout = \"0s\"", &["field: session.idle_timeout", "one millisecond at least"]),
        ("idle_timeout = \"13h\"", &["idle_timeout", "46800s", "longer than the absolute"]),
        ("idel_timeout = \"1h\"", &["idel_timeout", "unknown field", "idle_timeout"]),
        ("store = \"redis\"", &["session.store", "\"redis\"", "there are: main"]),
        (
            "cookie = { name = \"__Host-id\", secure = false }",
            &["cookie.secure", "__Host-id", "Secure"],
        ),
        (
            "cookie = { name = \"__Host-id\", domain = \"a.b\" }",
            &["cookie.domain", "a.b", "one host"],
        ),
        ("cookie = { name = \"a b\" }", &["session.cookie.name", "a b"]),
        ("cookie = { secure = \"maybe\" }", &["session.cookie.secure", "maybe"]),
        ("cookie = { same_site = \"loose\" }", &["session.cookie.same_site", "loose", "strict"]),
        (
            "cookie = { same_site = \"none\", name = \"id\", secure = false }",
            &["cookie.secure", "SameSite=None"],
        ),
        ("codec = \"yaml\"", &["session.codec", "yaml", "json"]),
        ("max_payload = \"0KiB\"", &["max_payload", "0"]),
        ("max_payload = \"much\"", &["session.max_payload", "much", "64MiB"]),
        ("max_attempts = 0", &["session.max_attempts", "0", "once at least"]),
        ("caching = \"public\"", &["session.caching", "public", "no-store"]),
        ("touch_after = 2.0", &["touch_after", "2", "between 0 and 1"]),
        (
            "session_limit = { sessions = 0, over = \"refuse\" }",
            &["field: session.session_limit.sessions", "0", "one session at least"],
        ),
        ("session_limit = { sessions = 5 }", &["session.session_limit", "missing field `over`"]),
        (
            "session_limit = { sessions = 5, over = \"evict\" }",
            &["session.session_limit.over", "evict", "evict-oldest"],
        ),
        (
            "session_limit = { sessions = \"many\", over = \"refuse\" }",
            &["session.session_limit.sessions", "many"],
        ),
        ("session_limit = 5", &["session.session_limit", "5"]),
        ("namespace = \"a:b\"", &["namespace", "a:b"]),
        ("namespace = \"${NOWHERE}\"", &["session.namespace", "`NOWHERE` is not set"]),
        ("namespace = \"${NOWHERE\"", &["session.namespace", "without `}`"]),
    ];
    for (line, words) in cases {
        let message = sessions(&changed(line), &[]).unwrap_err().to_string();
        for word in words.iter().chain(&["session.toml"]) {
            assert!(message.contains(word), "{line}\n{message}\nlacks {word}");
        }
    }
}

#[test]
fn the_only_store_needs_no_naming() {
    let only = "[stores.main]\nkind = \"memory\"";
    for text in [only.to_owned(), format!("[session]\nidle_timeout = \"5m\"\n{only}")] {
        sessions(&text, &[]).unwrap();
    }
}

#[test]
fn a_text_that_is_no_configuration_is_refused() {
    let cases: &[(&str, &[&str])] = &[
        ("", &["`[stores]` is missing"]),
        ("[session]\nstore = \"main\"", &["`[stores]` is missing"]),
        ("session = 1", &["session", "section"]),
        ("[session]\n[stores]", &["field: stores", "there is no store"]),
        (
            "[stores.a]\nkind = \"memory\"\n[stores.b]\nkind = \"memory\"",
            &["session.store", "a, b"],
        ),
        ("[session]\nstore = 1\n[stores]", &["session.store", "1"]),
        ("[session\n", &["not TOML", "line: 1"]),
        (
            "[session]\nstore = \"m\"\n[stores.m]\n",
            &["stores.m.kind", "layered, memory, redis, sql"],
        ),
        ("[session]\nstore = \"m\"\n[stores.m]\nkind = \"etcd\"", &["stores.m.kind", "etcd"]),
        ("[session]\nstore = \"m\"\n[stores]\nm = 1", &["stores.m", "section"]),
        (
            "[session]\nstore = \"m\"\n[stores.m]\nkind = \"memory\"\nmax_sessions = 0",
            &["stores.m.max_sessions", "0"],
        ),
        (
            "[session]\nstore = \"m\"\n[stores.m]\nkind = \"memory\"\n[stores.spare]\nkind = \
             \"memory\"\nmax_sessions = 0",
            &["stores.spare.max_sessions"],
        ),
        (
            "[session]\nstore = \"m\"\n[stores.m]\nkind = \"memory\"\nmax = 1",
            &["stores.m.max", "unknown field"],
        ),
        ("[session]\nstore = \"m\"\n[stores.m]\nkind = \"memory\"\n[other]", &["other"]),
    ];
    for (text, words) in cases {
        let message = sessions(text, &[]).unwrap_err().to_string();
        for word in words.iter().chain(&["session.toml"]) {
            assert!(message.contains(word), "{text}\n{message}\nlacks {word}");
        }
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load("nowhere/session.toml").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.to_string().contains("nowhere/session.toml"), "{error}");
}

#[cfg(all(feature = "encrypt", feature = "secure-cookies"))]
#[test]
fn keys_are_used_and_never_shown() {
    let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    assert!(sessions(&changed(&format!("encrypt = {{ keys = [\"base64:{key}\"] }}")), &[]).is_ok());
    let sign = format!("cookie = {{ name = \"id\", sign = {{ keys = [\"base64:{key}\"] }} }}");
    assert!(sessions(&changed(&sign), &[]).is_ok());

    let list = format!("[\"base64:{key}\"]");
    assert!(sessions(MEMORY, &[("SESSION__SESSION__ENCRYPT__KEYS", &list)]).is_ok());

    for line in [
        "encryption_key = \"base64:geheim\"",
        "cookie = { name = \"id\", signkey = \"geheim\" }",
        "cookie = { same_site = \"base64:geheim\" }",
        "store = \"redis://u:geheim@h\"",
        "uri = \"redis://u:geheim@h\"",
        "idle_timeout = \"redis://u:geheim@h\"",
    ] {
        let error = sessions(&changed(line), &[]).unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(told.contains("session") && !told.contains("geheim"), "{line}: {told}");
    }

    let misplaced = changed("store = \"redis://u:geheim@h\"");
    let config = Config::parse(&misplaced, "session.toml", []).unwrap();
    assert!(!format!("{config:?}").contains("geheim"), "{config:?}");

    for (line, secret) in [
        (format!("encrypt = {{ keys = [\"{key}\"] }}"), key),
        ("encrypt = { keys = [\"base64:c2hvcnQ=\"] }".into(), "c2hvcnQ="),
        ("encrypt = { keys = [\"base64:!secret!\"] }".into(), "!secret!"),
        ("encrypt = { keys = \"base64:geheim\" }".into(), "geheim"),
        ("encrypt = { keys = [] }".into(), "no secret"),
        (format!("encrypt = {{ keys = [\"base64:{key}\", \"base64:{key}\"] }}"), key),
        ("cookie = { name = \"id\", sign = { keys = [\"base64:c2hvcnQ=\"] } }".into(), "c2hvcnQ="),
    ] {
        let error = sessions(&changed(&line), &[]).unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(told.contains("keys") && !told.contains(secret), "{line}: {told}");
    }
}
