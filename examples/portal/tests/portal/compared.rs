//! The same requests to the portal on each framework, and the same answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::frameworks::Framework;
use crate::process::Portal;

/// Method, path, headers and body.
type Asked<'a> = (&'a str, String, &'a [(&'a str, &'a str)], String);

#[tokio::test]
async fn every_answer_is_the_same_on_axum_and_actix() {
    let portals = [start(Framework::Axum).await, start(Framework::Actix).await];
    let mut clients = portals.each_ref().map(Portal::client);
    let mut asked = 0;
    for story in [strangers(), visitors(), people(), refusals(), pages()] {
        for client in &mut clients {
            client.forget_cookie();
        }
        for request in story {
            let [axum, actix] = &mut clients;
            let (on_axum, on_actix) = (told(axum, &request).await, told(actix, &request).await);
            assert_eq!(on_axum, on_actix, "{request:?}");
            asked += 1;
        }
    }
    println!("{asked} answers are the same");
}

async fn start(framework: Framework) -> Portal {
    Portal::start_on_with(framework, &["--debug-headers"]).await
}

/// Status, headers and body, with what differs from one process to the next masked.
type Told = (u16, BTreeMap<String, Vec<String>>, String);

async fn told(client: &mut Client, (method, path, headers, body): &Asked<'_>) -> Told {
    // Handles are as random as tokens, so the request is about this client's own.
    let path = match path.contains("{handle}") {
        true => path.replace("{handle}", &handle(client).await),
        false => path.clone(),
    };
    let answer = client.send(method, &path, headers, body.clone()).await;
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &answer.headers {
        // When, and how the body ends, are for the framework to say.
        if ["date", "content-length", "transfer-encoding", "connection"].contains(&name.as_str()) {
            continue;
        }
        let value = value.to_str().expect("a header in ASCII");
        headers.entry(name.to_string()).or_default().push(masked(value));
    }
    (answer.status, headers, body_of(&answer))
}

async fn handle(client: &mut Client) -> String {
    let me = client.get("/api/me").await.expect(200).json();
    me["handle"].as_str().expect("a handle").to_owned()
}

fn body_of(answer: &Answer) -> String {
    masked(&answer.text())
}

/// Tokens, handles and times give way to their length.
fn masked(text: &str) -> String {
    let is_part = |char: char| char.is_ascii_alphanumeric() || "-_:.".contains(char);
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        masked.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|char| !is_part(char)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let is_time = word.len() == 24 && humantime::parse_rfc3339(word).is_ok();
        let is_clock = word.len() == 5 && word.as_bytes()[2] == b':';
        let is_date = word.len() == 10 && word.as_bytes()[4] == b'-';
        match word.len() {
            46 => masked.push_str("<token>"),
            22 => masked.push_str("<handle>"),
            _ if is_time || is_clock || is_date => masked.push_str("<time>"),
            _ => masked.push_str(word),
        }
        rest = after;
    }
    masked + rest
}

fn get(path: &str) -> Asked<'static> {
    ("GET", path.to_owned(), &[], String::new())
}

fn send(method: &'static str, path: &str, body: &Value) -> Asked<'static> {
    (method, path.to_owned(), &[("user-agent", "Lynx/2.9")], body.to_string())
}

fn post(path: &str) -> Asked<'static> {
    ("POST", path.to_owned(), &[], String::new())
}

fn form(path: &str, body: &str) -> Asked<'static> {
    const FORM: &[(&str, &str)] = &[
        ("content-type", "application/x-www-form-urlencoded"),
        ("user-agent", "Lynx/2.9"),
        ("sec-fetch-site", "same-origin"),
    ];
    ("POST", path.to_owned(), FORM, body.to_owned())
}

fn log_in() -> Asked<'static> {
    send("POST", "/api/login", &json!({ "user": "u1001", "password": "demo" }))
}

/// Who has no session, and gets none.
fn strangers() -> Vec<Asked<'static>> {
    vec![
        get("/api/plain"),
        get("/api/me"),
        get("/api/me?consistency=strong"),
        get("/api/devices"),
        get("/api/counter"),
        get("/api/data/name"),
        post("/api/logout"),
        post("/api/rotate"),
        post("/api/devices/revoke-all"),
        send("PUT", "/api/timeouts", &json!({ "idle_ms": 1_000, "absolute_ms": 1_000 })),
        ("HEAD", "/api/plain".into(), &[], String::new()),
        ("HEAD", "/api/me".into(), &[], String::new()),
        get("/healthz"),
        get("/readyz"),
        ("GET", "/api/me".into(), &[("cookie", "id=x")], String::new()),
    ]
}

/// Who has a session, and has not signed in.
fn visitors() -> Vec<Asked<'static>> {
    vec![
        send("PUT", "/api/data/name", &json!({ "a": [1, 2.5, "ü\0"] })),
        get("/api/data/name"),
        send("PUT", "/api/data/a%2Fb", &json!("slash")),
        get("/api/data/a%2Fb"),
        send("PUT", "/api/data/%C3%BC", &json!(null)),
        get("/api/data/%C3%BC"),
        get("/api/data/%2525+%20"),
        ("DELETE", "/api/data/name".into(), &[], String::new()),
        get("/api/data/name"),
        post("/api/counter"),
        post("/api/counter/now"),
        get("/api/counter"),
        send("POST", "/api/slow?name=n&ms=1", &json!([])),
        get("/api/me"),
        post("/api/rotate"),
        get("/api/data/n"),
        get("/"),
    ]
}

fn people() -> Vec<Asked<'static>> {
    vec![
        log_in(),
        get("/api/me"),
        get("/api/devices"),
        send("PUT", "/api/timeouts", &json!({ "idle_ms": 900_000, "absolute_ms": 900_000_000 })),
        get("/"),
        post("/api/devices/revoke-others"),
        ("DELETE", "/api/devices/AAAAAAAAAAAAAAAAAAAAAA".into(), &[], String::new()),
        ("DELETE", "/api/devices/%FF".into(), &[], String::new()),
        ("DELETE", "/api/devices/{handle}".into(), &[], String::new()),
        get("/api/me"),
        log_in(),
        post("/api/devices/revoke-all"),
        log_in(),
        post("/api/logout"),
    ]
}

fn refusals() -> Vec<Asked<'static>> {
    let mut refusals = vec![
        send("POST", "/api/login", &json!({ "user": "u1001", "password": "no" })),
        send("POST", "/api/login", &json!(["u1001", "demo"])),
        send("POST", "/api/login", &json!({ "user": 1 })),
        ("POST", "/api/login".into(), &[], "{".into()),
        ("PUT", "/api/data/name".into(), &[], String::new()),
        send("PUT", "/api/data/name", &json!("x".repeat(64 * 1024))),
        send("PUT", "/api/data/name", &json!("x".repeat(256 * 1024))),
        send("PUT", "/api/data/%FF", &json!(1)),
        send("PUT", "/api/data/a%0Ab", &json!(1)),
        send("POST", "/api/slow?name=n&ms=60001", &json!(1)),
        ("POST", "/api/logout".into(), &[("sec-fetch-site", "cross-site")], String::new()),
        ("POST", "/logout".into(), &[("origin", "https://evil.example")], String::new()),
        ("POST", "/api/nothing".into(), &[("origin", "https://evil.example")], String::new()),
        ("POST", "/api/me".into(), &[("origin", "https://evil.example")], String::new()),
    ];
    for path in
        ["/nothing", "//", "/api", "/api/", "/api/data", "/api/data/", "/API/me", "/api/me/"]
    {
        refusals.push(get(path));
    }
    for query in ["", "?name=n", "?ms=1", "?name=n&ms=soon", "?name=&ms=1", "?name=n&ms=1&ms=2"] {
        refusals.push(send("POST", &format!("/api/slow{query}"), &json!(1)));
    }
    for query in ["consistency=weak", "consistency=", "consistency=strong&consistency=strong"] {
        refusals.push(get(&format!("/api/me?{query}")));
    }
    for (method, path) in [
        ("GET", "/api/login"),
        ("BREW", "/api/me"),
        ("PATCH", "/api/data/name"),
        ("OPTIONS", "/api/counter"),
        ("DELETE", "/api/devices/revoke-others"),
        ("HEAD", "/api/rotate"),
        ("POST", "/metrics"),
    ] {
        refusals.push((method, path.into(), &[], String::new()));
    }
    refusals
}

fn pages() -> Vec<Asked<'static>> {
    vec![
        get("/"),
        get("/?notice=ended"),
        get("/?notice=nonsense"),
        get("/favicon.ico"),
        ("HEAD", "/".into(), &[], String::new()),
        form("/login", "user=u1001"),
        ("POST", "/login".into(), &[], "user=u1001&password=demo".into()),
        form("/login", "user=u1001&password=no"),
        form("/login", &"x".repeat(128 * 1024)),
        form("/counter", ""),
        form("/login", "user=u1001&password=demo"),
        get("/"),
        form("/counter", ""),
        form("/revoke-others", ""),
        form("/devices/nobody/revoke", ""),
        form("/devices/%FF/revoke", ""),
        get("/"),
        form("/devices/{handle}/revoke", ""),
        form("/logout", ""),
    ]
}
