//! The kind `sql`. None of these tests needs a server or makes a file: nothing is connected by
//! building.

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

#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
fn expect_refusals(cases: &[(&str, &[&str])]) {
    for (lines, words) in cases {
        let message = refusal(lines);
        for word in *words {
            assert!(message.contains(word), "{lines}\n{message}\nlacks {word}");
        }
    }
}

/// The store as it was built, with what is around it.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn built(text: &str, environment: &[(&str, &str)]) -> String {
    format!("{:?}", sessions(text, environment).unwrap().store())
}

#[test]
fn the_feature_to_enable_is_named() {
    for (feature, is_enabled, schemes) in [
        ("postgres", cfg!(feature = "postgres"), ["postgres", "postgresql"]),
        ("mysql", cfg!(feature = "mysql"), ["mysql", "mariadb"]),
        ("sqlite", cfg!(feature = "sqlite"), ["sqlite", "sqlite"]),
    ] {
        for scheme in schemes {
            let lines = format!("url = \"{scheme}://u:geheim@host/name\"");
            if is_enabled {
                sessions(&store(&lines), &[]).unwrap();
                continue;
            }
            let message = refusal(&lines);
            let is_named = match IS_IN {
                true => format!("feature `{feature}`"),
                // Nothing looks at the URL.
                false => "feature `postgres`, `mysql` or `sqlite`".to_owned(),
            };
            assert!(message.contains(&is_named), "{message}");
            assert!(message.contains("field: stores.main."), "{message}");
            assert!(!message.contains("geheim"), "{message}");
        }
    }
}

const IS_IN: bool = cfg!(any(feature = "mysql", feature = "postgres", feature = "sqlite"));

#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
#[test]
fn a_database_of_another_kind_is_refused() {
    expect_refusals(&[
        ("", &["field: stores.main", "missing field `url`"]),
        ("url = 5432", &["field: stores.main.url"]),
        (
            "url = \"oracle://host/name\"",
            &["field: stores.main.", "`postgres`, `mysql` or `sqlite`"],
        ),
    ]);
}

#[cfg(not(feature = "sql-tls"))]
#[test]
fn the_feature_for_tls_is_named() {
    let postgres = "postgres://u:geheim@host/name?sslmode=require";
    let mysql = "mysql://u:geheim@host/name?ssl-mode=REQUIRED";
    let listen = format!("url = \"postgres://host\"\nlisten_at = \"{postgres}\"");
    for (is_enabled, lines, field) in [
        (cfg!(feature = "postgres"), format!("url = \"{postgres}\""), "stores.main.url"),
        (cfg!(feature = "mysql"), format!("url = \"{mysql}\""), "stores.main.url"),
        (cfg!(feature = "postgres"), listen, "stores.main.listen_at"),
    ] {
        if is_enabled {
            let message = refusal(&lines);
            assert!(message.contains("feature `sql-tls`"), "{message}");
            assert!(message.contains(field) && !message.contains("geheim"), "{message}");
        }
    }
}

/// `geheim` is the secret, and the place is a wrong one in each.
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
#[test]
fn secrets_are_never_shown() {
    let good = "url = \"postgres://u:geheim@host/name\"\nlisten_at = \"postgres://u:geheim@h\"\n";
    let parsed = Config::parse(&store(good), "session.toml", []).unwrap();
    assert!(!format!("{parsed:?}").contains("geheim"), "{parsed:?}");
    if cfg!(feature = "postgres") {
        let built = parsed.build().unwrap();
        assert!(!format!("{built:?} {:?}", built.store()).contains("geheim"), "{built:?}");
    }

    for lines in [
        "url = \"u:geheim@host\"",
        "url = \"oracle://u:geheim@host\"",
        "url = \"postgres://u:geheim@host:port/name\"",
        "url = \"postgres://u:geheim@host/name?sslmode=geheim\"",
        "url = \"mysql://u:geheim@host:port/name\"",
        "url = \"sqlite://a.db?mode=geheim\"",
        "url = [\"geheim\"]",
        "url = { geheim = 1 }",
        "uri = \"postgres://u:geheim@host\"",
        "url = \"postgres://host\"\npasswort = \"geheim\"",
        &format!("{good}table = \"postgres://u:geheim@host\""),
        &format!("{good}timeout = \"postgres://u:geheim@host\""),
        &format!("{good}sweep_every = \"postgres://u:geheim@host\""),
        &format!("{good}max_connections = \"postgres://u:geheim@host\""),
        &format!("{good}through_transaction_pooler = \"postgres://u:geheim@host\""),
        &format!("{good}announcements = false"),
        "url = \"postgres://host\"\nlisten_at = [\"geheim\"]",
        "url = \"postgres://host\"\nlisten_at = \"u:geheim@host\"",
        "url = \"postgres://host\"\nlisten_at = \"postgres://u:geheim@host:port\"",
        "url = \"postgres://host\"\nlisten_at = \"mysql://u:geheim@host\"",
        "url = \"sqlite://a.db\"\nlisten_at = \"postgres://u:geheim@host\"",
    ] {
        let error = sessions(&store(lines), &[]).unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(told.contains("stores.main") && !told.contains("geheim"), "{lines}: {told}");
    }
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
        let sample = built(SAMPLE, &[]);
        for part in ["SqlStore", "sqlite", "table: sessions", "backplane: None"] {
            assert!(sample.contains(part), "{sample} lacks {part}");
        }
    }

    #[test]
    fn the_environment_fills_in_and_overrides() {
        let text = store("url = \"${DATABASE_URL}\"");
        let missing = sessions(&text, &[]).unwrap_err().to_string();
        assert!(missing.contains("stores.main.url"), "{missing}");
        assert!(missing.contains("DATABASE_URL"), "{missing}");
        built(&text, &[("DATABASE_URL", "sqlite://a.db")]);

        let environment = [
            ("DATABASE_URL", "no url"),
            ("SESSION__STORES__MAIN__URL", "sqlite://a.db"),
            ("SESSION__STORES__MAIN__TABLE", "visits"),
            ("SESSION__STORES__MAIN__MIGRATE", "true"),
            ("SESSION__STORES__MAIN__SWEEP_EVERY", "never"),
            ("SESSION__STORES__MAIN__TIMEOUT", "2s"),
            ("SESSION__STORES__MAIN__MAX_CONNECTIONS", "4"),
            ("SESSION__STORES__MAIN__ANNOUNCEMENTS", "false"),
            ("SESSION__STORES__MAIN__THROUGH_TRANSACTION_POOLER", "false"),
        ];
        assert!(built(&text, &environment).contains("table: visits"));
        for (variable, _) in &environment[3..] {
            let changed = environment.map(|(name, value)| match name == *variable {
                true => (name, "maybe"),
                false => (name, value),
            });
            let error = sessions(&text, &changed).unwrap_err();
            let field = variable.trim_start_matches("SESSION__").replace("__", ".").to_lowercase();
            assert_eq!(error.context("field"), Some(&*field), "{error}");
        }
    }

    /// Each with the words that its message must have.
    #[test]
    fn what_cannot_be_right_is_refused() {
        let with = |line: &str| format!("url = \"sqlite://a.db\"\n{line}");
        let cases: &[(&str, &[&str])] = &[
            ("url = \"\"", &["field: stores.main.url", "URL"]),
            ("url = \"sessions.db\"", &["field: stores.main.url", "URL"]),
            ("url = \"sqlite::memory:\"", &["stores.main.url", "in memory"]),
            ("url = \"sqlite://\"", &["stores.main.url", "in a file"]),
            (&with("table = \"a b\""), &["field: stores.main.table", "\"a b\"", "48"]),
            (&with("table = \"auth.sessions\""), &["stores.main.table", "no schemas"]),
            (&with("migrate = \"maybe\""), &["field: stores.main.migrate", "maybe"]),
            (&with("sweep_every = \"10ms\""), &["stores.main.sweep_every", "10ms", "a second"]),
            (&with("sweep_every = \"2days\""), &["stores.main.sweep_every", "a day at most"]),
            (&with("sweep_every = \"daily\""), &["stores.main.sweep_every", "daily", "never"]),
            (&with("sweep_every = false"), &["stores.main.sweep_every", "false", "string"]),
            (&with("timeout = 500"), &["field: stores.main.timeout", "500"]),
            (&with("timeout = \"0s\""), &["field: stores.main.timeout", "0ns", "millisecond"]),
            (&with("max_connections = 0"), &["stores.main.max_connections", "0", "1 to 10,000"]),
            (&with("max_connections = \"many\""), &["stores.main.max_connections", "many"]),
            (&with("announcements = true"), &["stores.main.announcements", "PostgreSQL alone"]),
            (
                &with("through_transaction_pooler = true"),
                &["stores.main.through_transaction_pooler", "PostgreSQL alone"],
            ),
            (
                &with("listen_at = \"postgres://host\""),
                &["stores.main.listen_at", "PostgreSQL alone"],
            ),
            (&with("pool = 8"), &["stores.main.pool", "unknown field"]),
        ];
        expect_refusals(cases);
    }
}

#[cfg(feature = "postgres")]
mod with_postgres {
    use super::*;

    #[test]
    fn everything_can_be_set() {
        let pooled = built(
            &store(
                r#"
                url = "postgres://app:secret@pooler:6432/app"
                table = "auth.sessions"
                migrate = false
                sweep_every = "never"
                timeout = "1s"
                max_connections = 20
                announcements = true
                through_transaction_pooler = true
                listen_at = "postgres://app:secret@host/app"
                "#,
            ),
            &[],
        );
        for part in ["postgres", "auth.sessions", "backplane: Some"] {
            assert!(pooled.contains(part), "{pooled} lacks {part}");
        }
    }

    #[test]
    fn a_store_announces_where_it_can() {
        let url = "url = \"postgres://host\"\n";
        for (lines, backplane) in [
            ("", "Some"),
            ("announcements = true", "Some"),
            ("announcements = false", "None"),
            ("through_transaction_pooler = true", "None"),
            ("through_transaction_pooler = true\nlisten_at = \"postgresql://host\"", "Some"),
        ] {
            let store = built(&store(&format!("{url}{lines}")), &[]);
            assert!(store.contains(&format!("backplane: {backplane}")), "{lines}: {store}");
        }
    }

    #[test]
    fn what_cannot_be_listened_to_is_refused() {
        let with = |line: &str| format!("url = \"postgres://host\"\n{line}");
        let cases: &[(&str, &[&str])] = &[
            (
                &with("announcements = false\nlisten_at = \"postgres://host\""),
                &["field: stores.main.listen_at", "nothing is announced"],
            ),
            (
                &with("listen_at = \"mysql://host\""),
                &["field: stores.main.listen_at", "a PostgreSQL server"],
            ),
            (&with("listen_at = \"host:5432\""), &["field: stores.main.listen_at"]),
            (
                &with("listen_at = \"postgres://host:port\""),
                &["field: stores.main.listen_at", "no URL"],
            ),
        ];
        expect_refusals(cases);
    }
}
