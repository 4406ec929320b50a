//! The kind `sql`. None of these tests needs a server: nothing is connected by building.

use super::*;

fn store(lines: &str) -> String {
    format!("[session]\nstore = \"main\"\n[stores.main]\nkind = \"sql\"\n{lines}\n")
}

fn refusal(lines: &str) -> String {
    let error = sessions(&store(lines), &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{lines}: {error}");
    assert!(error.to_string().contains("session.toml"), "{lines}: {error}");
    error.to_string()
}

#[test]
fn the_feature_to_enable_is_named() {
    for (scheme, feature, is_on) in [
        ("postgres", "postgres", cfg!(feature = "postgres")),
        ("postgresql", "postgres", cfg!(feature = "postgres")),
        ("mysql", "mysql", cfg!(feature = "mysql")),
        ("mariadb", "mysql", cfg!(feature = "mysql")),
        ("sqlite", "sqlite", cfg!(feature = "sqlite")),
    ] {
        let url = format!("url = \"{scheme}://u:geheim@host/x\"");
        if is_on {
            sessions(&store(&url), &[]).unwrap();
            continue;
        }
        let message = refusal(&url);
        assert!(message.contains(&format!("feature `{feature}`")), "{message}");
        assert!(message.contains("stores.main.") && !message.contains("geheim"), "{message}");
    }
}

#[cfg(all(feature = "postgres", not(feature = "sql-tls")))]
#[test]
fn the_feature_for_tls_is_named() {
    let message = refusal("url = \"postgres://u:geheim@host/x?sslmode=require\"");
    assert!(message.contains("feature `sql-tls`"), "{message}");
    assert!(message.contains("stores.main.url") && !message.contains("geheim"), "{message}");
}

#[cfg(feature = "sqlite")]
mod with_sqlite {
    use super::*;

    const SAMPLE: &str = r#"
[session]
store = "main"

[stores.main]
kind = "sql"
url = "sqlite://sessions.db"
migrate = true
sweep_every = "1m"
"#;

    #[test]
    fn the_sample_is_what_it_says() {
        let built = format!("{:?}", sessions(SAMPLE, &[]).unwrap().store());
        for part in ["SqlStore", "sqlite", "table: sessions", "backplane: None"] {
            assert!(built.contains(part), "{built} lacks {part}");
        }
    }

    #[cfg(feature = "layered")]
    #[test]
    fn a_store_that_announces_nothing_cannot_be_cached() {
        let front = "store = \"front\"\n[stores.front]\nkind = \"layered\"\nshared = \"main\"";
        let error = sessions(&SAMPLE.replace("store = \"main\"", front), &[]).unwrap_err();
        for word in ["field: stores.front.shared", "value: \"main\"", "Redis and PostgreSQL"] {
            assert!(error.to_string().contains(word), "{error} lacks {word}");
        }
    }
}

#[cfg(feature = "postgres")]
mod with_postgres {
    use super::*;

    /// The settings as the store has them.
    fn built(lines: &str, environment: &[(&str, &str)]) -> String {
        format!("{:?}", sessions(&store(lines), environment).unwrap().store())
    }

    #[test]
    fn every_setting_reaches_the_store() {
        let url = "url = \"${DATABASE_URL}\"";
        let environment = [("DATABASE_URL", "postgres://u:secret@host/x")];
        let plain = built(url, &environment);
        assert!(plain.contains("postgres") && plain.contains("channel: "), "{plain}");
        for (lines, part) in [
            ("table = \"auth.logins\"", "table: auth.logins"),
            ("announcements = false", "backplane: None"),
            ("through_transaction_pooler = true", "backplane: None"),
            (
                "through_transaction_pooler = true\nlisten_at = \"postgres://u@direct/x\"",
                "channel: ",
            ),
            ("migrate = true", ""),
            ("sweep_every = \"5m\"", ""),
            ("timeout = \"1s\"\nmax_connections = 4", ""),
        ] {
            let built = built(&format!("{url}\n{lines}"), &environment);
            assert!(built.contains(part) && !built.contains("secret"), "{built} lacks {part}");
        }
        let overridden = ("SESSION__STORES__MAIN__MIGRATE", "true");
        built(url, &[environment[0], overridden]);
    }

    #[test]
    fn what_cannot_be_right_is_refused_with_its_reason() {
        let url = "url = \"postgres://host/x\"\n";
        for (lines, words) in [
            ("migrate = true", &["stores.main", "url"][..]),
            ("url = \"oracle://host\"", &["stores.main.url", "`postgres`, `mysql` or `sqlite`"]),
            ("url = \"host\"", &["stores.main.url", "postgres://"]),
            (&format!("{url}table = \"a-b\""), &["stores.main.table", "a-b"]),
            (&format!("{url}migrate = \"maybe\""), &["stores.main.migrate"]),
            (&format!("{url}sweep_every = \"1ms\""), &["stores.main.sweep_every", "1ms"]),
            (&format!("{url}timeout = \"0s\""), &["stores.main.timeout", "millisecond"]),
            (&format!("{url}max_connections = 0"), &["stores.main.max_connections", "1 to"]),
            (&format!("{url}listen_at = \"host\""), &["stores.main.listen_at", "PostgreSQL"]),
            (
                &format!("{url}announcements = false\nlisten_at = \"postgres://host/x\""),
                &["stores.main.listen_at", "nothing is announced"],
            ),
            (&format!("{url}pool = 3"), &["stores.main", "pool"]),
        ] {
            let message = refusal(lines);
            for word in words {
                assert!(message.contains(word), "{lines}: {message} lacks {word}");
            }
        }
    }

    /// `geheim` is the secret, and the place is a wrong one in each.
    #[test]
    fn secrets_are_never_shown() {
        let good =
            "url = \"postgres://u:geheim@host/x\"\nlisten_at = \"postgres://u:geheim@h/x\"\n";
        let parsed = Config::parse(&store(good), "session.toml", []).unwrap();
        assert!(!format!("{parsed:?}").contains("geheim"), "{parsed:?}");
        let built = parsed.build().unwrap();
        assert!(!format!("{built:?} {:?}", built.store()).contains("geheim"), "{built:?}");
        let url = "url = \"postgres://host/x\"\n";
        for lines in [
            "url = \"postgres://u:geheim@host:port/x\"",
            "url = \"http://u:geheim@host\"",
            "url = \"u:geheim@host\"",
            "url = [\"geheim\"]",
            "uri = \"postgres://u:geheim@host/x\"",
            &format!("{good}timeout = \"never\""),
            &format!("{good}max_connections = 0"),
            &format!("{url}table = \"postgres://u:geheim@host/x\""),
            &format!("{url}listen_at = \"http://u:geheim@host/x\""),
            &format!("{url}migrate = \"postgres://u:geheim@host/x\""),
        ] {
            let error = sessions(&store(lines), &[]).unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(told.contains("stores.") && !told.contains("geheim"), "{lines}: {told}");
        }
    }
}
