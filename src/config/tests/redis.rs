//! The kind `redis`. None of these tests needs a server: nothing is connected by building.

use super::*;

fn store(lines: &str) -> String {
    format!("[session]\nstore = \"main\"\n[stores.main]\nkind = \"redis\"\n{lines}\n")
}

fn refusal(lines: &str) -> String {
    let error = sessions(&store(lines), &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{lines}: {error}");
    assert!(error.to_string().contains("session.toml"), "{lines}: {error}");
    error.to_string()
}

#[cfg(not(feature = "redis"))]
#[test]
fn the_feature_to_enable_is_named() {
    let message = refusal("url = \"redis://host\"");
    assert!(message.contains("feature `redis`") && message.contains("stores.main.kind"));
}

#[cfg(all(feature = "redis", not(feature = "redis-tls")))]
#[test]
fn the_feature_for_tls_is_named() {
    for (lines, field) in [
        ("url = \"rediss://:geheim@host\"", "stores.main.url"),
        ("url = \"valkeys://:geheim@host\"", "stores.main.url"),
        ("url = \"redis://host\"\ntls = {}", "stores.main.tls"),
    ] {
        let message = refusal(lines);
        assert!(message.contains("feature `redis-tls`"), "{message}");
        assert!(message.contains(field) && !message.contains("geheim"), "{message}");
    }
}

#[cfg(feature = "redis")]
mod with_redis {
    use super::*;

    const FULL: &str = r#"
[session]
store = "main"
idle_timeout = "30m"
cookie = { name = "id", secure = false, same_site = "lax" }

[stores.main]
kind = "redis"
url = "redis://user:secret@127.0.0.1:6379/0"        # rediss:// for TLS
# sentinel = { nodes = ["127.0.0.1:26379", "127.0.0.1:26380"], master = "mymaster" }
# cluster = { nodes = ["127.0.0.1:7000", "127.0.0.1:7001"] }
namespace = "portal"
timeout = "500ms"
wait = { replicas = 1, timeout = "100ms" }           # optional: on log-in, rotation, log-out
"#;

    /// The settings as the store has them.
    fn built(text: &str, environment: &[(&str, &str)]) -> String {
        format!("{:?}", sessions(text, environment).unwrap().store())
    }

    #[test]
    fn the_samples_are_what_they_say() {
        let single = built(FULL, &[]);
        for part in ["One", "portal", "replicas: 1", "100ms", "timeout: 500ms", "announces: true"] {
            assert!(single.contains(part), "{single} lacks {part}");
        }
        let url = "url = \"redis://user:secret@127.0.0.1:6379/0\"";
        let sentinel = FULL.replace(url, "").replace("# sentinel", "sentinel");
        assert!(built(&sentinel, &[]).contains("One"));
        let cluster = FULL.replace(url, "").replace("# cluster", "cluster");
        assert!(built(&cluster, &[]).contains("Cluster"));
    }

    #[test]
    fn the_environment_fills_in_and_overrides() {
        let text = store("url = \"${REDIS_URL}\"");
        let missing = sessions(&text, &[]).unwrap_err().to_string();
        assert!(missing.contains("stores.main.url") && missing.contains("REDIS_URL"), "{missing}");
        built(&text, &[("REDIS_URL", "redis://host")]);

        let settings = built(
            &text.replace("${REDIS_URL}", "no url"),
            &[
                ("SESSION__STORES__MAIN__URL", "redis://host/1"),
                ("SESSION__STORES__MAIN__NAMESPACE", "7"),
                ("SESSION__STORES__MAIN__TIMEOUT", "250ms"),
                ("SESSION__STORES__MAIN__WAIT__REPLICAS", "2"),
                ("SESSION__STORES__MAIN__WAIT__TIMEOUT", "50ms"),
                ("SESSION__STORES__MAIN__DATABASE", "3"),
                ("SESSION__STORES__MAIN__ANNOUNCEMENTS", "false"),
                ("SESSION__STORES__MAIN__PASSWORD", "geheim"),
            ],
        );
        let parts = ["\"7\"", "timeout: 250ms", "replicas: 2", "50ms", "announces: false"];
        for part in parts {
            assert!(settings.contains(part), "{settings} lacks {part}");
        }
        assert!(!settings.contains("geheim"), "{settings}");

        let nodes = [("SESSION__STORES__MAIN__CLUSTER__NODES", "[\"10.0.0.1:7000\"]")];
        assert!(built(&store(""), &nodes).contains("Cluster"));
    }

    #[test]
    fn everything_can_be_set() {
        built(
            &store(
                r#"
                sentinel = { nodes = ["host:26379"], master = "mymaster" }
                user = "app"
                password = "secret"
                database = 2
                client_name = "portal"
                sentinel_user = "watch"
                sentinel_password = "secret"
                announcements = false
                "#,
            ),
            &[],
        );
        built(&store("url = \"redis://app@host\"\npassword = \"secret\""), &[]);
        built(&store("cluster = { nodes = [\"host:1\", \"[::1]:2\"] }\ndatabase = 0"), &[]);
    }

    /// Each with the words that its message must have.
    #[test]
    fn what_cannot_be_right_is_refused() {
        let url = "url = \"redis://host\"\n";
        let cases: &[(&str, &[&str])] = &[
            ("", &["stores.main.url", "`url`, `sentinel` or `cluster`"]),
            (
                "url = \"redis://host\"\ncluster = { nodes = [\"host:1\"] }",
                &["stores.main.cluster", "one of `url`, `sentinel` and `cluster`"],
            ),
            (
                "url = \"redis://host\"\nsentinel = { nodes = [\"host:1\"], master = \"m\" }",
                &["stores.main.sentinel", "one of `url`, `sentinel` and `cluster`"],
            ),
            (
                "cluster = { nodes = [\"h:1\"] }\nsentinel = { nodes = [\"h:1\"], master = \"m\" }",
                &["stores.main.sentinel", "one of `url`, `sentinel` and `cluster`"],
            ),
            ("url = \"\"", &["stores.main.url", "redis://"]),
            ("url = 6379", &["stores.main.url"]),
            ("url = \"redis://host/many\"", &["stores.main.url", "number of a database"]),
            ("cluster = { nodes = [] }", &["stores.main.cluster.nodes", "one address"]),
            ("cluster = { nodes = [\"host\"] }", &["stores.main.cluster.nodes", "host:port"]),
            ("cluster = { nodes = \"host:1\" }", &["stores.main.cluster.nodes"]),
            ("cluster = {}", &["stores.main.cluster", "missing field `nodes`"]),
            ("cluster = { node = [] }", &["stores.main.cluster", "unknown field `node`"]),
            ("sentinel = { nodes = [\"h:1\"] }", &["stores.main.sentinel", "`master`"]),
            (
                "sentinel = { nodes = [\"h:1\"], master = \"\" }",
                &["stores.main.sentinel.master", "missing"],
            ),
            ("cluster = { nodes = [\"h:1\"] }\ndatabase = 1", &["stores.main.database", "but 0"]),
            (&format!("{url}database = \"x\""), &["stores.main.database", "x"]),
            (&format!("{url}database = -1"), &["stores.main.database", "-1"]),
            (&format!("{url}namespace = \"a:b\""), &["stores.main.namespace", "a:b"]),
            (&format!("{url}timeout = 500"), &["stores.main.timeout", "500"]),
            (&format!("{url}timeout = \"0s\""), &["stores.main.timeout", "millisecond"]),
            (&format!("{url}wait = 1"), &["stores.main.wait", "1"]),
            (&format!("{url}wait = {{ replicas = 1 }}"), &["stores.main.wait", "`timeout`"]),
            (
                &format!("{url}wait = {{ replicas = 0, timeout = \"1s\" }}"),
                &["stores.main.wait.replicas", "0"],
            ),
            (
                &format!("{url}wait = {{ replicas = 1, timeout = \"1us\" }}"),
                &["stores.main.wait.timeout"],
            ),
            (&format!("{url}user = \"app\""), &["stores.main.user", "`password` is missing"]),
            (
                &format!("{url}sentinel_password = \"x\""),
                &["stores.main.sentinel_password", "no Sentinels"],
            ),
            (
                "sentinel = { nodes = [\"h:1\"], master = \"m\" }\nsentinel_user = \"x\"",
                &["stores.main.sentinel_user", "`sentinel_password` is missing"],
            ),
            (&format!("{url}client_name = \"a b\""), &["stores.main.client_name", "spaces"]),
            (&format!("{url}announcements = \"maybe\""), &["stores.main.announcements", "maybe"]),
            (&format!("{url}pool = 8"), &["stores.main.pool", "unknown field"]),
        ];
        for (lines, words) in cases {
            let message = refusal(lines);
            for word in *words {
                assert!(message.contains(word), "{lines}\n{message}\nlacks {word}");
            }
        }
    }

    /// `geheim` is the secret, and the place is a wrong one in each.
    #[test]
    fn secrets_are_never_shown() {
        let good = "url = \"redis://:geheim@host\"\npassword = \"geheim\"\n";
        let parsed = Config::parse(&store(good), "session.toml", []).unwrap();
        assert!(!format!("{parsed:?}").contains("geheim"), "{parsed:?}");
        let built = parsed.build().unwrap();
        assert!(!format!("{built:?} {:?}", built.store()).contains("geheim"), "{built:?}");

        let url = "url = \"redis://host\"\n";
        let pem = "-----BEGIN PRIVATE KEY-----\\ngeheim";
        for lines in [
            "url = \"redis://:geheim@host/many\"",
            "url = \"http://:geheim@host\"",
            "url = \"redis://:geheim@host:port\"",
            "url = \"rediss://:geheim@host#insecure\"",
            "url = \"host:geheim\"",
            "url = [\"geheim\"]",
            "url = { geheim = 1 }",
            "uri = \"redis://:geheim@host\"",
            "passwort = \"geheim\"",
            &format!("{good}sentinel_passwort = \"geheim\""),
            &format!("{good}timeout = \"never\""),
            &format!("{good}wait = {{ replicas = 0, timeout = \"1s\" }}"),
            &format!("{good}client_name = \"app geheim\""),
            &format!("{good}database = -1"),
            &format!("{url}password = [\"geheim\"]"),
            &format!("{url}sentinel_password = \"geheim\""),
            &format!("{url}sentinel_password = [\"geheim\"]"),
            &format!("{url}database = \"redis://:geheim@host\""),
            &format!("{url}namespace = \"redis://:geheim@host\""),
            &format!("{url}timeout = \"redis://:geheim@host\""),
            "sentinel = \"app:geheim@host:1\"",
            "sentinel = { nodes = \"app:geheim@host:1\", master = \"m\" }",
            "sentinel = { nodes = [\"app:geheim@host:1\"], master = \"m\" }",
            "sentinel = { nodes = [{ geheim = 1 }], master = \"m\" }",
            "cluster = \"app:geheim@host:1\"",
            "cluster = [\"app:geheim@host:1\"]",
            "cluster = { nodes = [\"redis://app:geheim@host:1\"] }",
            "cluster = { nodes = [\"app:geheim@host:1\"] }",
            &format!("{url}cluster = {{ nodes = [\"app:geheim@host:1\"] }}"),
            &format!("{url}tls = {{ roots = \"{pem}\" }}"),
            &format!("{url}tls = {{ certificate = \"x\", key = \"{pem}\" }}"),
            &format!("{url}tls = \"{pem}\""),
            &format!("{url}kind = \"redis://:geheim@host\"")
                .replace("kind", "[stores.other]\nkind"),
        ] {
            let error = sessions(&store(lines), &[]).unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(told.contains("stores.") && !told.contains("geheim"), "{lines}: {told}");
        }
    }
}

#[cfg(feature = "redis-tls")]
mod with_tls {
    use super::*;

    #[test]
    fn tls_has_a_table_and_a_scheme() {
        for lines in ["url = \"rediss://host\"", "cluster = { nodes = [\"host:1\"] }\ntls = {}"] {
            // A system without any authorities says so; that is another matter than the settings.
            if let Err(error) = sessions(&store(lines), &[]) {
                assert!(error.to_string().contains("authorities"), "{error}");
            }
        }
    }

    #[test]
    fn files_that_cannot_be_read_are_named() {
        let is_there = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for (table, words) in [
            ("roots = \"nowhere/ca.pem\"", ["stores.main.tls.roots", "nowhere/ca.pem"]),
            ("roots = \"\"", ["stores.main.tls.roots", "cannot be read"]),
            (
                "certificate = \"nowhere/client.pem\", key = \"k\"",
                ["stores.main.tls.certificate", "nowhere/client.pem"],
            ),
            (
                &format!("certificate = \"{is_there}\", key = \"nowhere/client.key\""),
                ["stores.main.tls.key", "nowhere/client.key"],
            ),
            ("certificate = \"client.pem\"", ["stores.main.tls.certificate", "`key` is missing"]),
            ("key = \"client.key\"", ["stores.main.tls.key", "`certificate` is missing"]),
            (&format!("roots = \"{is_there}\""), ["stores.main.tls.roots", "PEM"]),
            ("verify = false", ["stores.main.tls", "unknown field `verify`"]),
        ] {
            let message = refusal(&format!("url = \"rediss://host\"\ntls = {{ {table} }}"));
            for word in words {
                assert!(message.contains(word), "{table}\n{message}\nlacks {word}");
            }
        }
    }
}
