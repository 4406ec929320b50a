//! Ids as nobody was given.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::json;
use session_core::{Key, Namespace, Token};

use super::super::laws::contains;
use super::super::{Browser, Request, Target, random};

/// Of the wrong length, of another alphabet, paths, patterns, queries, headers: none opens a
/// session, none is adopted, none is said back (row 3; Gogs CVE-2018-18925, Django
/// CVE-2015-3982).
pub async fn bad_ids_are_harmless(target: &Target) {
    let mut bystander = target.signed_in().await;
    for id in bad_ids() {
        is_harmless(target, &id).await;
        bystander.me().await;
    }
    let long = [b"x".repeat(1_000_000), format!("{}=", target.cookie_name()).into_bytes()];
    let request = Request::get("/api/me").cookie([&*long[1], &*long[0]].concat());
    match target.connection().attempt(&request).await {
        Ok(response) if matches!(response.status(), 400 | 431) => {}
        Ok(response) => drop(response.expect_anonymous().expect_cleared()),
        Err(refused) => assert!(refused.is_hang_up(), "{refused}"),
    }
    bystander.me().await;
}

/// A live token with anything changed is no token: cut at every length, one bit flipped at every
/// place, in another spelling of the same bytes. One session has one id, spelled one way.
pub async fn changed_ids_open_nothing(target: &Target) {
    let mut browser = with_special_characters(target).await;
    let token = browser.live_token();
    browser.store("kept", &json!(1)).await;
    let mut connection = target.connection();
    for changed in changed(&token) {
        let line = [target.cookie_name().as_bytes(), b"=", &changed].concat();
        let response = connection.send(&Request::get("/api/me").cookie(line)).await;
        let response = response.expect_anonymous();
        assert!(response.given_token().is_none(), "a token from reading in {response}");
    }
    browser.me().await;

    let moved = Request::get("/api/me").cookie(format!("other={token}"));
    connection.send(&moved).await.expect_anonymous().expect_no_cookie();
    let header = Request::get("/api/me").header("authorization", format!("Bearer {token}"));
    connection.send(&header).await.expect_anonymous().expect_no_cookie();
    let query = format!("/api/data/kept?{}={token}", target.cookie_name());
    connection.send(&Request::get(query)).await.expect(404).expect_no_cookie();
}

/// What an attacker reads in a dump of the store, or a log, or the list of devices, is no token:
/// neither the key of a live session nor its digest nor its public name opens anything (TYPO3
/// GHSA-954j-f27r-cj52, Rack CVE-2019-16782).
pub async fn what_the_store_holds_opens_nothing(target: &Target) {
    let mut browser = target.signed_in().await;
    let handle = browser.me().await.text_member("handle");
    is_harmless(target, handle.as_bytes()).await;
    is_harmless(target, browser.user().as_bytes()).await;
    // The token of a signed or encrypted cookie is not known here.
    if let Some(token) = Token::parse(browser.live_token().as_bytes()) {
        let namespace = Namespace::parse(target.namespace()).expect("the target's namespace");
        let key = Key::of(&token, &namespace);
        let digest = key.digest();
        let whole = [key.partition().as_bytes().as_slice(), digest].concat();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let forms = [
            URL_SAFE_NO_PAD.encode(&whole),
            URL_SAFE_NO_PAD.encode(digest),
            hex(&whole),
            hex(digest),
            key.to_string(),
            format!(
                "{}:{{{}}}:{}",
                target.namespace(),
                key.partition(),
                URL_SAFE_NO_PAD.encode(digest)
            ),
        ];
        for form in forms {
            is_harmless(target, form.as_bytes()).await;
        }
    }
    browser.me().await;
}

async fn is_harmless(target: &Target, id: &[u8]) {
    let line = [target.cookie_name().as_bytes(), b"=", id].concat();
    let shown = String::from_utf8_lossy(id);
    let mut connection = target.connection();
    for path in ["/api/me", "/api/me?consistency=strong", "/"] {
        let response = connection.send(&Request::get(path).cookie(&line)).await;
        assert_eq!(response.status() == 200, path == "/", "{shown:?}: the status of {response}");
        let echoed = id.len() >= 8 && contains(response.body(), id);
        assert!(!echoed, "{shown:?} is said back in {response}");
        assert_eq!(response.header("x-injected").count(), 0, "{shown:?} made {response}");
        response.expect_cleared();
    }
    let put = Request::put("/api/data/probe", &json!(1)).cookie(&line);
    let given = connection.send(&put).await.expect(204).new_token();
    assert_ne!(given.as_bytes(), id, "an id was adopted");
    connection
        .send(&Request::get("/api/data/probe").cookie(&line))
        .await
        .expect(404)
        .expect_cleared();
}

fn bad_ids() -> Vec<Vec<u8>> {
    let unknown = random::token();
    let path_of_token_length = "../../../../../../../../../../../../etc/passwd";
    let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1MTAwMSIsImV4cCI6OTk5OTk5OTk5OX0.";
    let texts = [
        "",
        "0",
        "-1",
        "null",
        "undefined",
        "true",
        "[object Object]",
        "*",
        ":",
        "{tag}",
        "%00",
        "../../etc/passwd",
        path_of_token_length,
        "..%2f..%2fetc%2fpasswd",
        "' OR 1=1--",
        "\" OR \"\"=\"",
        "1);DROP TABLE sessions",
        "{\"$gt\":\"\"}",
        "${jndi:ldap://127.0.0.1/x}",
        "<script>alert(1)</script>",
        "session:*",
        "portal:{0000}:AAAA",
        "GET / HTTP/1.1",
        jwt,
        "x\r\nX-Injected: 1",
        "x\r\nSet-Cookie: y=z",
        "x%0d%0aX-Injected:1",
        &unknown[1..],
        &format!("{unknown}A"),
        &format!("{unknown}="),
        &format!("{unknown}=="),
        &unknown.repeat(2),
        &"A".repeat(46),
        &"_".repeat(46),
        &"=".repeat(46),
        &"A".repeat(3_000),
    ];
    // A `;` ends the pair; whatever follows is another cookie.
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Every id that is almost `token`.
fn changed(token: &str) -> Vec<Vec<u8>> {
    let mut changed: Vec<Vec<u8>> =
        (0..token.len()).map(|end| token.as_bytes()[..end].to_vec()).collect();
    for at in 0..token.len() {
        for bit in 0..7 {
            let mut flipped = token.as_bytes().to_vec();
            flipped[at] ^= 1 << bit;
            let is_visible = (0x21..0x7f).contains(&flipped[at]) && flipped[at] != b';';
            changed.extend(is_visible.then_some(flipped));
        }
    }
    // The last character has bits to spare: only one spelling of them is right.
    let (start, _) = token.split_at(token.len() - 1);
    let mut texts: Vec<String> = ('0'..='z')
        .filter(char::is_ascii_alphanumeric)
        .map(|last| format!("{start}{last}"))
        .collect();
    texts.extend([
        token.to_uppercase(),
        token.to_lowercase(),
        token.chars().rev().collect(),
        token.replace('-', "+").replace('_', "/"),
        token.replace('-', "%2D").replace('_', "%5F"),
        format!("%{:02X}{}", token.as_bytes()[0], &token[1..]),
        format!("{token}="),
        format!("{token}=="),
        format!("{token}A"),
        format!("A{token}"),
        format!("{token}{token}"),
        format!("{token}\\"),
        format!("\"{token}\""),
        format!("Bearer {token}"),
    ]);
    if let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) {
        texts.extend([URL_SAFE.encode(&bytes), STANDARD_NO_PAD.encode(&bytes)]);
        texts.push(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
    }
    changed.extend(texts.into_iter().map(String::into_bytes));
    changed.retain(|id| id != token.as_bytes());
    changed
}

/// A session whose token is spelled differently in the two alphabets of base64.
async fn with_special_characters(target: &Target) -> Browser {
    loop {
        let browser = target.signed_in().await;
        if browser.live_token().contains(['-', '_', '+', '/', '%']) {
            return browser;
        }
    }
}
