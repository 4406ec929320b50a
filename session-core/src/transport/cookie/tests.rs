use super::*;
use crate::clock::OsEntropy;

fn namespace(name: &str) -> Namespace {
    Namespace::parse(name).unwrap()
}

fn transport(cookie: SessionCookie) -> CookieTransport {
    CookieTransport::new(cookie, &namespace("test")).unwrap()
}

fn plain() -> CookieTransport {
    transport(SessionCookie::new("id").danger_send_without_tls())
}

fn found(headers: &[&[u8]]) -> String {
    match plain().find(headers.iter().copied()) {
        Presented::Value(value) => String::from_utf8_lossy(&value).into_owned(),
        other => format!("<{other:?}>"),
    }
}

#[test]
fn only_our_own_cookie_is_found() {
    let nothing = "<Nothing>";
    let malformed = "<Malformed>";
    let long = [b"id=".as_slice(), &[b'x'; 4096]].concat();
    let many = b"a=;".repeat(50_000);
    let huge = vec![b'x'; 1_000_000];
    let cases: &[(&[&[u8]], &str)] = &[
        (&[], nothing),
        (&[b""], nothing),
        (&[b"id"], nothing),
        (&[b"id="], malformed),
        (&[b"=x"], nothing),
        (&[b";;;"], nothing),
        (&[b"id=x"], "x"),
        (&[b"a=b; id=x; c=d"], "x"),
        (&[b"a=b;id=x"], "x"),
        (&[b"a=b;\t id=x \t;c=d"], "x"),
        (&[b"ID=x; Id=y"], nothing),
        (&[b"xid=x; idx=y; id2=z"], nothing),
        (&[b"id =x"], nothing),
        (&[b"id= x"], " x"),
        (&[b"id=\"x\""], "\"x\""),
        (&[b"id=\"x"], "\"x"),
        (&[b"id=x=y"], "x=y"),
        (&[b"id=x; id=x"], "x"),
        (&[b"id=x; id=y"], malformed),
        (&[b"id=x", b"id=y"], malformed),
        (&[b"id=y", b"id=x"], malformed),
        (&[b"a=b", b"id=x"], "x"),
        (&[b"id=x; id="], malformed),
        (&[b"id=\xc2\xa0"], "\u{a0}"),
        (&[b"id=a\x00b"], "a\0b"),
        (&[b"id=\x7f"], "\x7f"),
        (&[b"id=\xff\xfe"], "\u{fffd}\u{fffd}"),
        (&[&long], malformed),
        (&[&many], nothing),
        (&[&huge], nothing),
    ];
    for (headers, expected) in cases {
        assert_eq!(found(headers), *expected, "{:.80?}", headers);
    }
}

#[test]
fn setting_and_removing_have_the_same_attributes() {
    let token = Token::random(&OsEntropy).unwrap();
    let attributes = |cookie: &str| {
        let mut parts: Vec<String> = cookie
            .split("; ")
            .skip(1)
            .filter(|part| !part.starts_with("Max-Age=") && !part.starts_with("Expires="))
            .map(str::to_owned)
            .collect();
        parts.sort();
        parts
    };
    for cookie in [
        SessionCookie::default(),
        SessionCookie::new("id").domain("example.org").path("/app").partitioned(),
        SessionCookie::new("id").same_site(SameSite::None).danger_readable_by_scripts(),
        SessionCookie::new("id").same_site(SameSite::Strict).danger_send_without_tls(),
    ] {
        let transport = transport(cookie);
        let set = transport.set(&token, Some(Duration::from_millis(1)));
        let clear = transport.clear();
        assert_eq!(attributes(&set), attributes(&clear));
        assert!(set.contains(&token.to_text()) && set.contains("; Max-Age=1"), "{set}");
        assert!(clear.contains("=; ") && clear.contains("; Max-Age=0"), "{clear}");
        assert!(clear.contains("; Expires=Thu, 01 Jan 1970 00:00:00 GMT"), "{clear}");
    }
}

#[test]
fn the_default_is_what_asvs_asks_for() {
    let token = Token::random(&OsEntropy).unwrap();
    let set = transport(SessionCookie::default()).set(&token, None);
    let (pair, attributes) = set.split_once("; ").unwrap();
    assert_eq!(pair, format!("__Host-session={}", token.to_text()));
    let mut attributes: Vec<&str> = attributes.split("; ").collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
}

#[test]
fn what_a_browser_would_drop_is_not_built() {
    let cases = [
        (SessionCookie::new(""), "cookie.name"),
        (SessionCookie::new("a b"), "cookie.name"),
        (SessionCookie::new("a=b"), "cookie.name"),
        (SessionCookie::new("a;b"), "cookie.name"),
        (SessionCookie::new("é"), "cookie.name"),
        (SessionCookie::new("x".repeat(4096)), "cookie.name"),
        (SessionCookie::new("id").path(""), "cookie.path"),
        (SessionCookie::new("id").path("app"), "cookie.path"),
        (SessionCookie::new("id").path("/a;Domain=evil"), "cookie.path"),
        (SessionCookie::new("id").path("/a\r\n"), "cookie.path"),
        (SessionCookie::new("id").domain(""), "cookie.domain"),
        (SessionCookie::new("id").domain(".example.org"), "cookie.domain"),
        (SessionCookie::new("id").domain("a..b"), "cookie.domain"),
        (SessionCookie::new("id").domain("a b"), "cookie.domain"),
        (SessionCookie::new("id").domain("a;Path=/"), "cookie.domain"),
        (SessionCookie::new("__Host-id").domain("example.org"), "cookie.domain"),
        (SessionCookie::new("__host-id").domain("example.org"), "cookie.domain"),
        (SessionCookie::new("__Host-id").path("/app"), "cookie.path"),
        (SessionCookie::new("__Host-id").danger_send_without_tls(), "cookie.secure"),
        (SessionCookie::new("__Secure-id").danger_send_without_tls(), "cookie.secure"),
        (SessionCookie::new("__SECURE-id").danger_send_without_tls(), "cookie.secure"),
        (
            SessionCookie::new("id").same_site(SameSite::None).danger_send_without_tls(),
            "cookie.secure",
        ),
        (SessionCookie::new("id").partitioned().danger_send_without_tls(), "cookie.secure"),
    ];
    for (cookie, field) in cases {
        let told = format!("{cookie:?}");
        let built = super::super::TransportConfig::Cookie(cookie).build(Some("test"));
        let error = built.unwrap_err();
        assert_eq!(error.context("field"), Some(field), "{told}: {error}");
    }
}

#[test]
fn lifetimes_decide_whether_a_browser_keeps_the_cookie() {
    let max_age = |lifetime, own| {
        let transport = transport(SessionCookie::default().lifetime(lifetime));
        transport.max_age(Duration::from_secs(60), own)
    };
    let minute = Some(Duration::from_secs(60));
    assert_eq!(max_age(CookieLifetime::Browser, true), None);
    assert_eq!(max_age(CookieLifetime::Persistent, false), minute);
    assert_eq!(max_age(CookieLifetime::Remembered, false), None);
    assert_eq!(max_age(CookieLifetime::Remembered, true), minute);
    let years = transport(SessionCookie::default()).max_age(Duration::from_secs(1 << 30), true);
    assert_eq!(years, Some(SessionCookie::MAX_AGE));
}

#[cfg(feature = "secure-cookies")]
mod protected {
    use super::*;

    fn ring(keys: &[u8]) -> KeyRing {
        KeyRing::new(keys.iter().map(|byte| vec![*byte; 32])).unwrap()
    }

    fn value(transport: &CookieTransport, token: &Token) -> String {
        let set = transport.set(token, None);
        set.split_once('=').unwrap().1.split("; ").next().unwrap().to_owned()
    }

    fn all(name: &str, in_namespace: &str, keys: &[u8]) -> [CookieTransport; 2] {
        let cookie = || SessionCookie::new(name);
        [cookie().signed(ring(keys)), cookie().encrypted(ring(keys))]
            .map(|cookie| CookieTransport::new(cookie, &namespace(in_namespace)).unwrap())
    }

    #[test]
    fn values_open_where_they_were_made_and_nowhere_else() {
        let token = Token::random(&OsEntropy).unwrap();
        let made = all("id", "shop", &[1]);
        for (index, transport) in made.iter().enumerate() {
            let value = value(transport, &token);
            assert_eq!(transport.read(value.as_bytes()).unwrap().to_text(), token.to_text());
            let strangers =
                [all("id2", "shop", &[1]), all("id", "wiki", &[1]), all("id", "shop", &[2])];
            for stranger in strangers.iter().flatten().chain([&made[1 - index]]) {
                assert!(stranger.read(value.as_bytes()).is_none());
            }
            assert!(transport.read(token.to_text().as_bytes()).is_none(), "plain is no fall-back");
        }
    }

    #[test]
    fn any_change_of_the_value_is_noticed() {
        let token = Token::random(&OsEntropy).unwrap();
        for transport in all("id", "shop", &[1]) {
            let value = value(&transport, &token).into_bytes();
            for at in 0..value.len() {
                assert!(transport.read(&value[..at]).is_none(), "cut at {at}");
                let mut flipped = value.clone();
                flipped[at] ^= 1;
                assert!(transport.read(&flipped).is_none(), "flipped at {at}");
            }
            assert!(transport.read(b"\xff\xfe").is_none());
        }
    }

    #[test]
    fn the_first_key_makes_and_every_key_of_the_ring_opens() {
        let token = Token::random(&OsEntropy).unwrap();
        for index in 0..2 {
            let [old, both, new] =
                [&[1_u8] as &[u8], &[2, 1], &[2]].map(|keys| all("id", "shop", keys));
            let opens = |by: &[CookieTransport; 2], made: &[CookieTransport; 2]| {
                by[index].read(value(&made[index], &token).as_bytes()).is_some()
            };
            assert!(opens(&both, &old) && opens(&both, &both) && opens(&both, &new));
            assert!(opens(&new, &both), "the first key makes");
            assert!(!opens(&old, &both) && !opens(&new, &old), "a removed key opens nothing");
        }
    }
}
