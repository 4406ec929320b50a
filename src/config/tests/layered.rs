//! The kind `layered`, over an embedded store wherever it makes no difference.

use super::*;

/// A cache in front of an embedded store, and whatever else there is.
fn layered(lines: &str) -> String {
    format!(
        "[session]\nstore = \"front\"\n[stores.back]\nkind = \"memory\"\n[stores.front]\nkind = \
         \"layered\"\n{lines}\n"
    )
}

fn refusal(text: &str) -> String {
    let error = sessions(text, &[("REDIS_URL", "redis://host")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{text}: {error}");
    assert!(error.to_string().contains("session.toml"), "{text}: {error}");
    error.to_string()
}

#[cfg(not(feature = "layered"))]
#[test]
fn the_feature_to_enable_is_named() {
    let message = refusal(&layered("shared = \"back\""));
    assert!(message.contains("feature `layered`"), "{message}");
    assert!(message.contains("field: stores.front.kind"), "{message}");
}

#[cfg(feature = "layered")]
mod with_layered {
    use super::*;

    #[cfg(feature = "redis")]
    const SAMPLE: &str = r#"
[session]
store = "front"
[stores.front]
kind = "layered"
shared = "redis"
local = { max_bytes = "64MiB", ttl = "30s" }
max_staleness = "2s"
[stores.redis]
kind = "redis"
url = "${REDIS_URL}"
namespace = "portal"
"#;

    /// The store, with what is around it.
    fn built(text: &str, environment: &[(&str, &str)]) -> String {
        format!("{:?}", sessions(text, environment).unwrap().store())
    }

    #[cfg(feature = "redis")]
    #[test]
    fn the_sample_is_what_it_says() {
        let front = built(SAMPLE, &[("REDIS_URL", "redis://host")]);
        for part in ["Layered", "RedisStore", "portal", "max_staleness: 2s"] {
            assert!(front.contains(part), "{front} lacks {part}");
        }
    }

    #[test]
    fn all_but_the_shared_store_has_a_default() {
        let front = built(&layered("shared = \"back\""), &[]);
        for part in ["Layered", "MemoryStore", "max_staleness: 2s"] {
            assert!(front.contains(part), "{front} lacks {part}");
        }
        built(&layered("shared = \"back\"\nstale_if_error = \"30s\"\nlocal = {}"), &[]);
    }

    #[test]
    fn the_environment_overrides() {
        let text = layered("shared = \"nowhere\"\nlocal = { ttl = \"1h\" }");
        let environment = [
            ("SESSION__STORES__FRONT__SHARED", "back"),
            ("SESSION__STORES__FRONT__LOCAL__MAX_BYTES", "1MiB"),
            ("SESSION__STORES__FRONT__LOCAL__TTL", "10s"),
            ("SESSION__STORES__FRONT__MAX_STALENESS", "750ms"),
            ("SESSION__STORES__FRONT__STALE_IF_ERROR", "1m"),
        ];
        assert!(built(&text, &environment).contains("max_staleness: 750ms"));
        for (variable, value) in &environment[1..] {
            let error = sessions(&text, &[environment[0], (variable, "none")]).unwrap_err();
            let field = variable.trim_start_matches("SESSION__").replace("__", ".").to_lowercase();
            assert_eq!(error.context("field"), Some(&*field), "{value}: {error}");
        }
    }

    #[test]
    fn a_session_that_lives_shorter_than_the_default_is_no_contradiction() {
        let text = layered("shared = \"back\"");
        let short = "[session]\nidle_timeout = \"5s\"\nabsolute_timeout = \"10s\"";
        built(&text.replace("[session]", short), &[]);
    }

    /// Each with the words that its message must have.
    #[test]
    fn what_cannot_be_right_is_refused() {
        let cases: &[(&str, &[&str])] = &[
            ("", &["field: stores.front", "missing field `shared`"]),
            (
                "shared = \"redis\"",
                &["field: stores.front.shared", "\"redis\"", "there are: back, front"],
            ),
            ("shared = 1", &["field: stores.front.shared", "1", "string"]),
            (
                "shared = \"front\"",
                &["field: stores.front.shared", "value: \"front\"", "itself: front -> front"],
            ),
            ("shared = \"back\"\nlocal = 64", &["field: stores.front.local", "64"]),
            (
                "shared = \"back\"\nlocal = { bytes = \"1MiB\" }",
                &["field: stores.front.local.bytes", "unknown field"],
            ),
            (
                "shared = \"back\"\nlocal = { max_bytes = \"1KB\" }",
                &["field: stores.front.local.max_bytes", "value: 1000", "bytes of cache"],
            ),
            (
                "shared = \"back\"\nlocal = { max_bytes = 64 }",
                &["field: stores.front.local.max_bytes", "64", "string"],
            ),
            (
                "shared = \"back\"\nlocal = { ttl = \"0s\" }",
                &["field: stores.front.local.ttl", "value: 0ns", "a millisecond to a day"],
            ),
            (
                "shared = \"back\"\nlocal = { ttl = \"13h\" }",
                &["field: stores.front.local.ttl", "value: 46800s", "absolute_timeout", "43200s"],
            ),
            (
                "shared = \"back\"\nmax_staleness = \"10ms\"",
                &["field: stores.front.max_staleness", "value: 10ms", "20ms"],
            ),
            (
                "shared = \"back\"\nmax_staleness = \"2m\"",
                &["field: stores.front.max_staleness", "value: 120s", "a minute"],
            ),
            (
                "shared = \"back\"\nmax_staleness = 2",
                &["field: stores.front.max_staleness", "2", "string"],
            ),
            (
                "shared = \"back\"\nstale_if_error = \"2days\"",
                &["field: stores.front.stale_if_error", "value: 172800s", "a day"],
            ),
            ("shared = \"back\"\nttl = \"30s\"", &["field: stores.front.ttl", "unknown field"]),
        ];
        for (lines, words) in cases {
            let message = refusal(&layered(lines));
            for word in *words {
                assert!(message.contains(word), "{lines}\n{message}\nlacks {word}");
            }
        }
    }

    #[test]
    fn a_circle_is_shown() {
        let message = refusal(
            &layered("shared = \"back\"").replace("\"memory\"", "\"layered\"\nshared = \"front\""),
        );
        for word in ["field: stores.front.shared", "value: \"back\"", ": front -> back -> front"] {
            assert!(message.contains(word), "{message} lacks {word}");
        }

        // Not everybody who leads to a circle is part of it.
        let text = "[session]\nstore = \"a\"\n[stores.a]\nkind = \"layered\"\nshared = \"b\"\n\
                    [stores.b]\nkind = \"layered\"\nshared = \"c\"\n[stores.c]\nkind = \
                    \"layered\"\nshared = \"b\"";
        let message = refusal(text);
        for word in ["field: stores.b.shared", "value: \"c\"", "itself: b -> c -> b"] {
            assert!(message.contains(word), "{message} lacks {word}");
        }
    }

    #[test]
    fn a_cache_in_front_of_a_cache_is_refused() {
        let text = layered("shared = \"back\"").replace("store = \"front\"", "store = \"twice\"")
            + "[stores.twice]\nkind = \"layered\"\nshared = \"front\"";
        let message = refusal(&text);
        for word in ["field: stores.twice.shared", "value: \"front\"", "saves no round trip"] {
            assert!(message.contains(word), "{message} lacks {word}");
        }
    }

    #[cfg(feature = "redis")]
    #[test]
    fn a_store_that_announces_nothing_cannot_be_cached() {
        let message = refusal(&format!("{SAMPLE}announcements = false"));
        for word in ["field: stores.front.shared", "value: \"redis\"", "`announcements`"] {
            assert!(message.contains(word), "{message} lacks {word}");
        }
    }

    /// The sample with an SQL store of these lines in place of Redis.
    #[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
    fn in_front_of_sql(lines: &str) -> String {
        layered("shared = \"sessions\"") + "[stores.sessions]\nkind = \"sql\"\n" + lines
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_cache_can_be_in_front_of_postgresql() {
        let url = "url = \"postgres://app:secret@host/app\"";
        let front = built(&in_front_of_sql(url), &[]);
        for part in ["Layered", "SqlStore", "postgres"] {
            assert!(front.contains(part), "{front} lacks {part}");
        }
        let pooler = format!("{url}\nthrough_transaction_pooler = true");
        built(&in_front_of_sql(&format!("{pooler}\nlisten_at = \"postgres://host\"")), &[]);

        for (lines, word) in
            [(format!("{url}\nannouncements = false"), "`announcements`"), (pooler, "`listen_at`")]
        {
            let message = refusal(&in_front_of_sql(&lines));
            for word in ["field: stores.front.shared", "value: \"sessions\"", word] {
                assert!(message.contains(word), "{message} lacks {word}");
            }
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[cfg(any(feature = "mysql", feature = "sqlite"))]
    #[test]
    fn databases_that_announce_nothing_cannot_be_cached() {
        for (is_enabled, url) in [
            (cfg!(feature = "mysql"), "mysql://host/app"),
            (cfg!(feature = "sqlite"), "sqlite:a.db"),
        ] {
            if is_enabled {
                let message = refusal(&in_front_of_sql(&format!("url = \"{url}\"")));
                for word in ["field: stores.front.shared", "value: \"sessions\"", "PostgreSQL"] {
                    assert!(message.contains(word), "{message} lacks {word}");
                }
            }
        }
    }

    #[test]
    fn a_mistake_in_either_store_is_told_as_its_own() {
        let text = layered("shared = \"back\"");
        let message = refusal(&text.replace("\"memory\"", "\"memory\"\nmax_sessions = 0"));
        assert!(message.contains("field: stores.back.max_sessions"), "{message}");
        // Nobody uses the cache here.
        let text = text.replace("store = \"front\"", "store = \"back\"");
        built(&text, &[]);
        let message = refusal(&text.replace("shared = \"back\"", "shared = \"gone\""));
        assert!(message.contains("field: stores.front.shared"), "{message}");
    }

    #[test]
    fn a_place_in_place_of_a_name_is_not_shown() {
        let error = sessions(&layered("shared = \"redis://:geheim@host\""), &[]).unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(told.contains("stores.front.shared") && !told.contains("geheim"), "{told}");
    }

    #[cfg(not(feature = "counter-experiments"))]
    #[test]
    fn no_defence_can_be_taken_down() {
        let message = refusal(&layered("shared = \"back\"\ndanger_without = [\"lease\"]"));
        let field = "field: stores.front.danger_without";
        assert!(message.contains(field) && message.contains("unknown field"), "{message}");
    }

    #[cfg(feature = "counter-experiments")]
    #[test]
    fn for_experiments_defences_can_be_taken_down() {
        let text = layered("shared = \"back\"");
        let variable = "SESSION__STORES__FRONT__DANGER_WITHOUT";
        let list = "[\"invalidation\", \"lease\", \"stripes\"]";
        built(&text, &[(variable, list)]);
        built(&format!("{text}danger_without = {list}"), &[]);
        let message = refusal(&format!("{text}danger_without = [\"locks\"]"));
        assert!(message.contains("stores.front.danger_without"), "{message}");
        assert!(message.contains("locks") && message.contains("stripes"), "{message}");
    }
}
