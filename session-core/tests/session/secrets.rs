//! What is written down while things go wrong.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use session_core::{ErrorKind, Key, KeyRing, Record, SessionCookie, Store as _, Token};
use session_testkit::{FaultyStore, Method};
use tracing_subscriber::fmt::MakeWriter;

use crate::visitor::{IDLE, Visitor, app_over};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Every form in which somebody may write 32 bytes down.
fn spellings(secret: &[u8]) -> Vec<String> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        URL_SAFE_NO_PAD.encode(secret),
        STANDARD.encode(secret),
        hex.to_uppercase(),
        hex,
        format!("{secret:?}"),
    ]
}

#[tokio::test]
async fn logs_and_errors_hold_no_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let ring_key = vec![0xA7; 32];
    let ring = KeyRing::new([ring_key.clone()]).unwrap();
    let cookie = SessionCookie::new("id").signed(ring.clone());
    let (app, store) = app_over(FaultyStore::new, |builder| builder.cookie(cookie).encrypt(ring));
    let mut written = Vec::new();
    let mut note = |text: String| written.push(text);

    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert("pin", &"geheim").unwrap()).await;
    let cookie_value = visitor.cookie.clone().unwrap().split_once('=').unwrap().1.to_owned();
    // A signed value is a signature of 44 characters and then the token.
    let token = Token::parse(&cookie_value.as_bytes()[44..]).unwrap();

    for (method, kind) in [
        (Method::Load, ErrorKind::Timeout),
        (Method::Replace, ErrorKind::Unavailable),
        (Method::Rotate, ErrorKind::Full),
        (Method::Delete, ErrorKind::Timeout),
        (Method::Touch, ErrorKind::Unavailable),
    ] {
        store.fail_next(method, kind);
        let lazy = visitor.open(&app.sessions);
        match lazy.load().await {
            Err(error) => note(format!("{error} {error:?}")),
            Ok(session) => {
                note(format!("{:?}", session.get::<u8>("pin").unwrap_err()));
                match method {
                    Method::Replace => session.insert("pin", &"geheim").unwrap(),
                    Method::Rotate => session.rotate(),
                    Method::Delete => session.log_out(),
                    _ => app.clock.advance(IDLE / 2),
                }
                note(format!("{session:?} {lazy:?}"));
                let finished = lazy.finish(false).await;
                note(format!("{:?} {:?}", finished.error, app.sessions));
            }
        }
        store.heal();
    }
    // What cannot be opened is logged.
    let key = Key::of(&token, app.sessions.namespace());
    let session_core::Loaded::Found { record, .. } =
        app.store.load(&key, session_core::Load::default()).await.unwrap()
    else {
        panic!("the session is alive")
    };
    note(format!("{record:?} {key:?} {key}"));
    let revision = record.revision;
    let damaged = Record { payload: session_core::Payload::new("{}"), ..(*record).clone() };
    app.store.replace(&key, &damaged, revision).await.unwrap();
    assert!(!visitor.open(&app.sessions).load().await.unwrap().exists());

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("could not be touched"), "a touch failed: {logged}");
    assert!(logged.contains("cannot be read"), "a payload was damaged: {logged}");
    let bytes = URL_SAFE_NO_PAD.decode(token.to_text()).unwrap();
    let mut secrets = vec!["geheim".to_owned(), cookie_value, token.to_text()];
    secrets.extend([&bytes[..], &bytes[2..], &ring_key].into_iter().flat_map(spellings));
    for text in written.iter().chain([&logged]) {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} in {text}");
        }
    }
}
