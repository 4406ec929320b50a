//! How the portal begins, and when it does not.

use std::process::Output;

use crate::process::{Directory, Portal, command, run};

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

#[tokio::test]
async fn it_says_when_it_is_ready_and_on_which_port() {
    for framework in ["axum", "actix"] {
        let portal = Portal::start_with(&["--framework", framework]).await;
        assert_ne!(portal.address().port(), 0);
        portal.client().get("/healthz").await.expect(200);
    }
}

#[tokio::test]
async fn a_config_is_used_and_the_environment_overrides_it() {
    let directory = Directory::new();
    let file = directory.write("session.toml", &MEMORY.replace("\"id\"", "\"${COOKIE}\""));
    let mut command = command(&["--config", &file, "--listen", "127.0.0.1:0"]);
    command.env("COOKIE", "visit").env("SESSION__STORES__MAIN__MAX_SESSIONS", "1");
    let portal = Portal::spawn(&mut command).await;
    let mut client = portal.signed_in("u1001").await;
    assert!(client.cookie().is_some_and(|cookie| cookie.starts_with("visit=")));
    client.get("/api/me").await.expect(200);
    let full = portal.client().post("/api/counter").await;
    full.expect_error(503, "store_unavailable").expect_no_cookie();
}

#[tokio::test]
async fn the_built_in_config_can_be_overridden_too() {
    let mut command = command(&["--listen", "127.0.0.1:0"]);
    let portal = Portal::spawn(command.env("SESSION__SESSION__COOKIE__NAME", "visit")).await;
    let client = portal.signed_in("u1001").await;
    assert!(client.cookie().is_some_and(|cookie| cookie.starts_with("visit=")));
}

#[tokio::test]
async fn every_codec_and_protection_is_in() {
    let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let cookie = |protect: &str| {
        format!(
            "cookie = {{ name = \"id\", secure = false, {protect} = {{ keys = [\"base64:{key}\"] }} }}"
        )
    };
    let directory = Directory::new();
    for lines in [
        "codec = \"msgpack\"".to_owned(),
        "codec = \"cbor\"\ncompress = { over = \"1KiB\" }".to_owned(),
        format!("encrypt = {{ keys = [\"base64:{key}\"] }}"),
        cookie("sign"),
        cookie("encrypt"),
    ] {
        let kept = MEMORY
            .lines()
            .filter(|line| !lines.starts_with("cookie") || !line.starts_with("cookie"));
        let text = kept
            .collect::<Vec<_>>()
            .join("\n")
            .replace("[session]", &format!("[session]\n{lines}"));
        let file = directory.write("session.toml", &text);
        let portal = Portal::start_with(&["--config", &file]).await;
        let mut client = portal.signed_in("u1001").await;
        client.put("/api/data/name", &serde_json::json!("x".repeat(5_000))).await.expect(204);
        client.get("/api/data/name").await.expect(200);
        client.get("/").await.expect(200);
    }
}

/// Each with what its one message must name.
#[tokio::test]
async fn a_wrong_config_is_refused_with_a_reason() {
    let directory = Directory::new();
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "idle_timeout = \"30m\"",
            "idle_timeout = \"13h\"",
            &["idle_timeout", "46800s", "absolute"],
        ),
        ("idle_timeout = \"30m\"", "idle_timeout = 30", &["session.idle_timeout", "30"]),
        ("idle_timeout", "idel_timeout", &["idel_timeout", "unknown"]),
        ("store = \"main\"", "store = \"redis\"", &["session.store", "redis", "main"]),
        ("kind = \"memory\"", "kind = \"etcd\"", &["stores.main.kind", "etcd"]),
        ("max_sessions = 1000000", "max_sessions = 0", &["max_sessions", "0"]),
        ("name = \"id\"", "name = \"__Host-id\"", &["cookie.secure", "__Host-id"]),
        ("name = \"id\"", "name = \"${NOT_SET_ANYWHERE}\"", &["NOT_SET_ANYWHERE", "not set"]),
        ("[session]", "[session", &["TOML", "line"]),
    ];
    for (from, to, words) in cases {
        let file = directory.write("session.toml", &MEMORY.replacen(from, to, 1));
        let message = refused(&run(&["--config", &file]).await);
        for word in words.iter().chain(&["session.toml"]) {
            assert!(message.contains(word), "{to}: {message:?} lacks {word}");
        }
        assert_eq!(message.trim_end().lines().count(), 1, "{message:?}");
    }
    let message = refused(&run(&["--config", "nowhere/session.toml"]).await);
    assert!(message.contains("nowhere/session.toml"), "{message}");
}

#[tokio::test]
async fn a_wrong_place_of_redis_is_refused_with_a_reason() {
    let directory = Directory::new();
    let store = "kind = \"memory\"\nmax_sessions = 1000000";
    for (lines, words) in [
        ("", ["stores.main.url", "`sentinel`"]),
        ("url = \"redis://:geheim@host/many\"", ["stores.main.url", "number of a database"]),
        ("url = \"${NOT_SET_ANYWHERE}\"", ["stores.main.url", "NOT_SET_ANYWHERE"]),
        ("cluster = { nodes = [\"u:geheim@host:1\"] }", ["stores.main.cluster.nodes", "host:port"]),
        (
            "url = \"rediss://:geheim@host\"\ntls = { roots = \"nowhere/ca.pem\" }",
            ["stores.main.tls.roots", "nowhere/ca.pem"],
        ),
    ] {
        let text = MEMORY.replace(store, &format!("kind = \"redis\"\n{lines}"));
        let file = directory.write("session.toml", &text);
        let message = refused(&run(&["--config", &file]).await);
        for word in words.iter().chain(&["session.toml"]) {
            assert!(message.contains(word), "{lines}: {message:?} lacks {word}");
        }
        assert!(!message.contains("geheim"), "{message}");
        assert_eq!(message.trim_end().lines().count(), 1, "{message:?}");
    }
}

#[tokio::test]
async fn secrets_stay_out_of_messages() {
    let directory = Directory::new();
    let line = "[session]\nencrypt = { keys = [\"base64:Z2VoZWlt\"] }";
    let file = directory.write("session.toml", &MEMORY.replace("[session]", line));
    let message = refused(&run(&["--config", &file]).await);
    assert!(message.contains("encrypt.keys") && !message.contains("Z2VoZWlt"), "{message}");
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_refused_with_the_usage() {
    for (arguments, word) in [
        (&["--framework", "rocket"][..], "rocket"),
        (&["--port", "3000"], "--port"),
        (&["session.toml"], "session.toml"),
        (&["--listen", "here"], "here"),
        (&["--config"], "--config"),
    ] {
        let message = refused(&run(arguments).await);
        assert!(message.contains(word) && message.contains("Usage: portal"), "{message}");
    }
}

#[tokio::test]
async fn help_is_no_error() {
    let output = run(&["--help"]).await;
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    for option in ["--config", "--listen", "--framework", "--debug-headers"] {
        assert!(text.contains(option), "{text}");
    }
    assert!(output.stderr.is_empty());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let portal = Portal::start().await;
    let address = portal.address().to_string();
    for framework in ["axum", "actix"] {
        let output = run(&["--listen", &address, "--framework", framework]).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains(&address));
    }
}

fn refused(output: &Output) -> String {
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
    message
}
