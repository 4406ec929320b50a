//! `Cookie` headers as no browser sends them.

use serde_json::json;

use super::super::{Refused, Request, Response, Target, random};

/// What becomes of a `Cookie` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// There is no cookie of ours in it: nothing is cleared.
    Ignored,
    /// There is one, which is none: it is cleared.
    Cleared,
    /// One or the other, depending on how one reads it.
    Either,
}

/// What becomes of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    /// It is HTTP.
    Fine,
    /// It is none, or more than a server need take: its framework may refuse it.
    Bad,
}

struct Case {
    label: &'static str,
    lines: Vec<Vec<u8>>,
    then: Then,
    syntax: Syntax,
}

/// Empty, torn, quoted, doubled, oversized: nothing of it opens a session or becomes the id of one
/// or is said back, and the server goes on serving everybody else (row 5; the list of bad input).
pub async fn bad_cookie_headers_are_harmless(target: &Target) {
    let mut bystander = target.signed_in().await;
    let token = bystander.live_token();
    for case in cases(target.cookie_name(), &token) {
        let sent = case.lines.iter().fold(Request::get("/api/me"), Request::cookie);
        let label = case.label;
        if let Some(response) =
            understood(target.connection().attempt(&sent).await, case.syntax, label)
        {
            let response = response.expect_anonymous();
            let cleared = response.set_cookie().is_some();
            let expected = case.then == Then::Either || cleared == (case.then == Then::Cleared);
            assert!(expected, "{label}: expected {:?} in {response}", case.then);
        }
        let put = Request::put("/api/data/probe", &json!(1));
        let sent = case.lines.iter().fold(put, Request::cookie);
        if let Some(response) =
            understood(target.connection().attempt(&sent).await, case.syntax, label)
        {
            let given = response.expect(204).new_token();
            let brought =
                case.lines.iter().any(|line| super::super::laws::contains(line, given.as_bytes()));
            assert!(!brought, "{label}: an id was adopted");
        }
        bystander.me().await;
    }
    let many =
        [b"a=;".repeat(50_000), format!("{}={token}", target.cookie_name()).into_bytes()].concat();
    let sent = Request::get("/api/me").cookie(many);
    if let Some(response) =
        understood(target.connection().attempt(&sent).await, Syntax::Bad, "50,000 and ours")
    {
        response.expect(200).expect_no_cookie();
    }
    bystander.me().await;
}

/// Every byte that is not visible ASCII, behind a live token and alone: no session is opened.
pub async fn every_byte_in_a_cookie_is_harmless(target: &Target) {
    let mut bystander = target.signed_in().await;
    let (name, token) = (target.cookie_name().to_owned(), bystander.live_token());
    // Line ends are the subject of the bad ids, blanks around a pair are no part of it.
    let blanks = [b'\t', b'\n', b'\r', b' '];
    let bytes = (0..=0x20).chain(0x7f..=0xff).filter(|byte| !blanks.contains(byte));
    for byte in bytes {
        let syntax = if byte < 0x80 { Syntax::Bad } else { Syntax::Fine };
        for value in [token.as_bytes(), b""] {
            let line = [name.as_bytes(), b"=", value, &[byte]].concat();
            let answer = target.connection().attempt(&Request::get("/api/me").cookie(line)).await;
            if let Some(response) = understood(answer, syntax, &format!("byte {byte:#04x}")) {
                response.expect_anonymous().expect_cleared();
            }
        }
    }
    bystander.me().await;
}

/// Two cookies of our name that differ: nobody can tell which one the browser means, and one may
/// have been planted from a subdomain. Both are rejected, in either order and in one header line
/// or two; two that are the same are one (row 5).
pub async fn conflicting_cookies_are_rejected(target: &Target) {
    let mut victim = target.signed_in().await;
    let attacker = target.signed_in().await;
    let name = target.cookie_name();
    let pair = |value: &str| format!("{name}={value}");
    let live = pair(&victim.live_token());
    for other in [pair(&attacker.live_token()), pair(&random::token()), pair("x"), pair("")] {
        for (first, second) in [(&live, &other), (&other, &live)] {
            let one = Request::get("/api/me").cookie(format!("{first}; {second}"));
            let two = Request::get("/api/me").cookie(first).cookie(second);
            let apart = Request::get("/api/me").cookie(first).cookie("a=b").cookie(second);
            for request in [one, two, apart] {
                let response = target.connection().send(&request).await;
                response.expect_anonymous().expect_cleared();
            }
        }
    }
    for request in [
        Request::get("/api/me").cookie(format!("{live}; {live}")),
        Request::get("/api/me").cookie(&live).cookie(&live),
        Request::get("/api/me").cookie("a=b; c").cookie(&live).cookie(";=;"),
    ] {
        let me = target.connection().send(&request).await.expect(200).expect_no_cookie();
        assert_eq!(me.text_member("user"), victim.user());
    }
    victim.me().await;
}

/// `%n` is the name of our cookie, `%t` a live token, `%u` one of no session.
const CASES: &[(&str, Then, Syntax, &[u8])] = &[
    ("empty", Then::Ignored, Syntax::Fine, b""),
    ("a name alone", Then::Either, Syntax::Fine, b"%n"),
    ("no value", Then::Cleared, Syntax::Fine, b"%n="),
    ("no name", Then::Ignored, Syntax::Fine, b"=x"),
    ("separators", Then::Ignored, Syntax::Fine, b";;;"),
    ("no name and a token", Then::Ignored, Syntax::Fine, b"=%t"),
    ("a token alone", Then::Ignored, Syntax::Fine, b"%t"),
    ("quoted", Then::Cleared, Syntax::Fine, b"%n=\"%t\""),
    ("an open quote", Then::Cleared, Syntax::Fine, b"%n=\"%t"),
    ("a closing quote", Then::Cleared, Syntax::Fine, b"%n=%t\""),
    ("a quoted pair", Then::Ignored, Syntax::Fine, b"\"%n=%t\""),
    ("two unknown", Then::Cleared, Syntax::Fine, b"%n=%u; %n=y"),
    ("a value with `=`", Then::Cleared, Syntax::Fine, b"%n=%t=x"),
    ("another separator", Then::Cleared, Syntax::Fine, b"%n=%t, a=b"),
    ("a space in front", Then::Cleared, Syntax::Fine, b"%n= %t"),
    ("a space before `=`", Then::Either, Syntax::Fine, b"%n =%t"),
    ("NBSP behind, UTF-8", Then::Cleared, Syntax::Fine, b"%n=%t\xc2\xa0"),
    ("NBSP behind, Latin-1", Then::Cleared, Syntax::Fine, b"%n=%t\xa0"),
    ("no UTF-8", Then::Cleared, Syntax::Fine, b"%n=\xff\xfe\xc0\x80"),
    ("NUL", Then::Cleared, Syntax::Bad, b"%n=%t\0"),
    ("DEL", Then::Cleared, Syntax::Bad, b"%n=%t\x7f"),
];

fn cases(name: &str, token: &str) -> Vec<Case> {
    let unknown = random::token();
    let fill_in = |&(label, then, syntax, template): &(&'static str, Then, Syntax, &[u8])| {
        let line = replaced(template, b"%n", name.as_bytes());
        let line = replaced(&line, b"%t", token.as_bytes());
        let lines = vec![replaced(&line, b"%u", unknown.as_bytes())];
        Case { label, lines, then, syntax }
    };
    let ours = |value: &[u8]| [name.as_bytes(), b"=", value].concat();
    let of_length = |length: usize| ours(&b"x".repeat(length - name.len() - 1));
    let others = [b"a=".as_slice(), &b"x".repeat(1_000_000)].concat();
    let two = vec![ours(unknown.as_bytes()), ours(b"y")];
    let fifty = vec![b"a=b".to_vec(); 50];
    let built = [
        ("4,096 bytes", Then::Cleared, Syntax::Fine, vec![of_length(4_096)]),
        ("4,097 bytes", Then::Cleared, Syntax::Fine, vec![of_length(4_097)]),
        ("1 MB", Then::Cleared, Syntax::Bad, vec![of_length(1_000_000)]),
        ("1 MB of something else", Then::Ignored, Syntax::Bad, vec![others]),
        ("50,000 cookies", Then::Ignored, Syntax::Bad, vec![b"a=;".repeat(50_000)]),
        ("two lines", Then::Cleared, Syntax::Fine, two),
        ("fifty lines", Then::Ignored, Syntax::Fine, fifty),
    ];
    let built = built.map(|(label, then, syntax, lines)| Case { label, lines, then, syntax });
    CASES.iter().map(fill_in).chain(built).collect()
}

fn replaced(text: &[u8], wanted: &[u8], by: &[u8]) -> Vec<u8> {
    match text.windows(wanted.len()).position(|window| window == wanted) {
        Some(at) => {
            let (before, rest) = text.split_at(at);
            [before, by, &replaced(&rest[wanted.len()..], wanted, by)].concat()
        }
        None => text.to_vec(),
    }
}

/// The response of the application; `None` if the request did not get there, and need not.
fn understood(answer: Result<Response, Refused>, syntax: Syntax, label: &str) -> Option<Response> {
    match (answer, syntax) {
        (Ok(response), Syntax::Bad) if matches!(response.status(), 400 | 431) => Some(response)
            .filter(|response| !response.set_cookies().is_empty())
            .map(|response| panic!("{label}: a refused request changes the cookie in {response}")),
        (Ok(response), _) => Some(response),
        (Err(refused), Syntax::Bad) if refused.is_hang_up() => None,
        (Err(refused), _) => panic!("{label}: {refused}"),
    }
}
