//! What a service is told of who is signed in, and by whom alone.

use serde_json::{Value, json};
use session_kit::Subject;

use crate::site::{PLAIN, Site};

/// What somebody may try who would like to be somebody else.
const FORGED: &[(&str, &str)] = &[
    ("x-session-user", "admin"),
    ("X-SESSION-USER", "admin"),
    ("x_session_user", "admin"),
    ("x-session_user", "admin"),
    ("x-session-handle", "admin"),
    ("x-session-authenticated-at", "2999-01-01T00:00:00Z"),
    // A proxy that believed it would take the header away that it has just written.
    ("connection", "close, x-session-user"),
];

#[tokio::test]
async fn the_service_is_told_who_is_signed_in() {
    let site = Site::start(PLAIN).await;
    let mut client = site.signed_in("u1001").await;
    let answer = client.send("POST", "/service/api/x?y=z", FORGED, "a body").await.expect(200);

    let [session] = &site.sessions.list(&Subject::new("u1001").unwrap()).await.unwrap()[..] else {
        panic!("one session")
    };
    let authenticated_at = answer.given("x-session-authenticated-at");
    let millis = humantime::parse_rfc3339(&authenticated_at[0]).expect("a time");
    let millis = millis.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert_eq!(Some(millis as i64), session.authenticated_at.map(|time| time.as_millis()));
    assert_eq!(
        answer.identity(),
        [
            ("x-session-authenticated-at".to_owned(), authenticated_at),
            ("x-session-handle".to_owned(), vec![session.handle.to_string()]),
            ("x-session-user".to_owned(), vec!["u1001".to_owned()]),
        ]
    );
    assert_eq!(answer.given("(body)"), ["a body"]);
    let (_, token) = client.cookie().and_then(|cookie| cookie.split_once('=')).expect("a token");
    assert!(!answer.to_string().contains(token), "{answer}");

    let answer = answer.expect_uncached();
    assert_eq!(answer.header("set-cookie"), ["theirs=1"], "{answer}");
    // Nor does the client hear of what was for the service.
    assert!(answer.header("x-session-user").is_empty(), "{answer}");
}

#[tokio::test]
async fn what_a_client_says_of_itself_reaches_nobody() {
    let site = Site::start(PLAIN).await;
    let mut anonymous = site.client();
    for path in ["/service/api/x", "/service/payments/x"] {
        anonymous.send("GET", path, FORGED, "").await.expect(401);
    }
    anonymous.send("GET", "/service/x", FORGED, "").await.expect(303);
    assert_eq!(site.service.asked(), 0);

    // Where nobody is asked for, nothing is told either.
    for client in [&mut anonymous, &mut site.signed_in("u1001").await] {
        let answer = client.send("POST", "/given", FORGED, "").await.expect(200);
        assert_eq!(answer.identity(), []);
    }
}

#[tokio::test]
async fn a_subject_is_a_subject_and_no_header() {
    let site = Site::start(PLAIN).await;
    for (subject, user) in [
        ("anna@example.org", "anna@example.org"),
        ("Zoë Çelik", "Zo%C3%AB%20%C3%87elik"),
        ("日本", "%E6%97%A5%E6%9C%AC"),
        (" 100% \"a\", b; c+d\\", "%20100%25%20%22a%22%2C%20b%3B%20c%2Bd%5C"),
        ("a%0d%0ax-session-user: admin", "a%250d%250ax-session-user%3A%20admin"),
        ("$http_host ${cookie}", "%24http_host%20%24%7Bcookie%7D"),
        (&"ü".repeat(127), &"%C3%BC".repeat(127)),
    ] {
        let answer = site.signed_in(subject).await.get("/service/api/x").await.expect(200);
        assert_eq!(answer.given("x-session-user"), [user]);
        assert_eq!(answer.identity().len(), 3, "{answer}");
    }
    // Nobody has a name of more than one line.
    site.client().post("/log-in", "a\r\nx-session-user: admin").await.expect(422);
}

#[tokio::test]
async fn what_is_stored_is_json_that_others_can_read() {
    let site = Site::start(PLAIN).await;
    site.signed_in("u1001").await;
    let keys: Vec<String> = site.redis.query(&["KEYS", "gateway:{*}:*"]).await.unwrap();
    let mut payloads = Vec::new();
    for key in keys.iter().filter(|key| key.len() > "gateway:{0000}:".len() + 40) {
        let value: Vec<u8> = site.redis.query(&["GET", key]).await.unwrap();
        let begins = usize::from(u16::from_be_bytes([value[2], value[3]]));
        payloads.push(serde_json::from_slice::<Value>(&value[begins..]).expect("JSON"));
    }
    assert_eq!(payloads, [json!({ "theme": "dark" })]);
}
