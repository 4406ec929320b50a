//! A whole life of a session, recorded by all means there are: none of its secrets is in it.

use std::error::Error as _;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use session_core::{
    Consistency, Device, Error, ErrorKind, Key, KeyRing, LazySession, Load, Loaded, Payload,
    Record, SessionCookie, Sessions, Store, Subject, Token,
};
use session_layered::Layered;
use session_layered::observe::{Observed, SessionMetrics};
use session_redis::{RedisStore, RedisStoreBuilder, Topology};
use session_testkit::servers::Redis;
use session_testkit::{FaultyStore, Method};
use tracing_log::{LogTracer, log};
use tracing_subscriber::fmt::format::FmtSpan;

use crate::fixture::{D, NAMESPACE, eventually, until_leased};
use crate::observed::{Metered, Traced};

const VALUES: [&str; 3] = ["0123-geheim-4567", "jeton d'or", "a-second-secret-value"];
const SUBJECT: &str = "ada.lovelace@example.org";
const PASSWORD: &str = "a-password-of-the-server";
const WRONG_PASSWORD: &str = "a-password-nobody-has";
const DEVICE: &str = "192.0.2.77 a rare browser";

/// A stack with everything that records in it, and all it records.
struct Recorded {
    server: Redis,
    shared: Arc<dyn Store>,
    faulty: Arc<FaultyStore>,
    node: Layered,
    sessions: Sessions,
    cookie: String,
    metered: Metered,
    /// Errors as they were shown, and values as they are shown for debugging.
    shown: String,
    tokens: Vec<Token>,
    rings: Vec<Vec<u8>>,
}

impl Recorded {
    async fn start() -> Self {
        let user = format!("user shop on >{PASSWORD} ~* &* +@all");
        let (server, metered) = (Redis::builder().acl(&user).start().await, Metered::new());
        let rings = vec![vec![0xA7; 32], (1..33).collect(), vec![0x5C; 48]];
        let meter = metered.meter();
        let store = redis_as(&server, PASSWORD).build().unwrap();
        let shared: Arc<dyn Store> = Arc::new(Observed::new(store, "redis", &meter));
        let faulty = Arc::new(FaultyStore::new(Arc::clone(&shared)));
        let behind = Arc::clone(&faulty) as Arc<dyn Store>;
        let node = Layered::builder_shared(behind).max_staleness(D).meter(meter.clone());
        let node = node.build().unwrap();
        until_leased(&node).await;
        let ring = KeyRing::new([rings[0].clone(), rings[1].clone()]).unwrap();
        let sealing = KeyRing::new([rings[2].clone()]).unwrap();
        let sessions = Sessions::builder(Observed::new(node.clone(), "layered", &meter))
            .cookie(SessionCookie::new("id").signed(ring))
            .encrypt(sealing)
            .touch_after(0.0)
            .observer(Arc::new(SessionMetrics::new(&meter)))
            .build()
            .unwrap();
        let (cookie, shown, tokens) = (String::new(), String::new(), Vec::new());
        Self { server, shared, faulty, node, sessions, cookie, metered, shown, tokens, rings }
    }

    fn show(&mut self, error: &Error) {
        write!(self.shown, "{error}\n{error:?}\n{error:#?}\n").unwrap();
        let mut source = error.source();
        while let Some(cause) = source {
            write!(self.shown, "{cause}\n{cause:?}\n").unwrap();
            source = cause.source();
        }
    }

    /// One request; whatever fails is shown.
    async fn visit(&mut self, handle: impl FnOnce(&session_core::Session)) -> LazySession {
        let lazy = self.sessions.open([self.cookie.as_bytes()]);
        match lazy.load().await {
            Ok(session) => {
                handle(&session);
                writeln!(self.shown, "{session:?} {lazy:?} {:?}", self.sessions).unwrap();
            }
            Err(error) => self.show(&error),
        }
        let finished = lazy.finish(false).await;
        if let Some(error) = &finished.error {
            self.show(error);
        }
        if let Some(header) = finished.header {
            self.cookie = header.split(';').next().unwrap().to_owned();
            if let Some(token) = self.token() {
                self.tokens.push(token);
            }
        }
        lazy
    }

    fn token(&self) -> Option<Token> {
        let value = self.cookie.split_once('=')?.1;
        // A signed value is a signature of 44 characters and then the token.
        Token::parse(value.as_bytes().get(44..)?)
    }

    async fn live(&mut self) {
        self.log_in_and_rotate().await;
        self.read_and_fail().await;
        self.lose_the_payload().await;
        self.lose_the_server().await;
    }

    async fn log_in_and_rotate(&mut self) {
        self.visit(|session| session.insert("pin", &VALUES[0]).unwrap()).await;
        self.visit(|session| {
            session.log_in(Subject::new(SUBJECT).unwrap());
            session.set_device(Device::new().with_user_agent(DEVICE));
            session.insert("token", &VALUES[1]).unwrap();
        })
        .await;
        self.visit(|session| session.rotate()).await;
        self.visit(|session| {
            let last =
                session.update("pin", |pin: Option<String>| pin.unwrap_or_default() + VALUES[2]);
            assert!(last.unwrap().contains(VALUES[0]));
        })
        .await;
    }

    async fn read_and_fail(&mut self) {
        let lazy = self.sessions.open([self.cookie.as_bytes()]);
        let session = lazy.load_with(Consistency::Strong).await.unwrap();
        let wrong = session.get::<u64>("pin").unwrap_err();
        self.show(&wrong);
        let devices = self.sessions.list(&Subject::new(SUBJECT).unwrap()).await.unwrap();
        assert_eq!(devices.len(), 1);
        for (method, kind) in [
            (Method::Replace, ErrorKind::Unavailable),
            (Method::Rotate, ErrorKind::Full),
            (Method::Delete, ErrorKind::Timeout),
            (Method::Touch, ErrorKind::Unavailable),
        ] {
            self.faulty.fail_next(method, kind);
            self.visit(|session| match method {
                Method::Replace => session.insert("pin", &VALUES[0]).unwrap(),
                Method::Rotate => session.rotate(),
                Method::Delete => session.log_out(),
                _ => {}
            })
            .await;
            self.faulty.heal();
        }
        self.visit(session_core::Session::log_out).await;
        self.visit(|_| {}).await;
        self.cookie = "id=nonsense".to_owned();
        self.visit(|_| {}).await;
        self.cookie.clear();
    }

    async fn lose_the_payload(&mut self) {
        self.visit(|session| session.insert("pin", &VALUES[0]).unwrap()).await;
        for key in self.keys() {
            let Loaded::Found { record, .. } =
                self.shared.load(&key, Load::default()).await.unwrap()
            else {
                continue;
            };
            writeln!(self.shown, "{record:?} {key:?} {:?}", record.payload).unwrap();
            let payload = Payload::new(VALUES[0].as_bytes().to_vec());
            let damaged = Record { payload, ..(*record).clone() };
            let before = self.node.stats().evicted;
            self.shared.replace(&key, &damaged, record.revision).await.unwrap();
            eventually("its announcement", async || self.node.stats().evicted > before).await;
        }
        self.visit(|_| {}).await;
        self.cookie.clear();
    }

    async fn lose_the_server(&mut self) {
        let stranger = redis_as(&self.server, WRONG_PASSWORD).build().unwrap();
        let refused = stranger.load(&self.keys()[0], Load::default()).await.unwrap_err();
        self.show(&refused);
        self.visit(|session| session.insert("pin", &VALUES[1]).unwrap()).await;
        self.server.kill();
        let lazy = self.sessions.open([self.cookie.as_bytes()]);
        let error = lazy.load_with(Consistency::Strong).await.expect_err("nobody answers");
        self.show(&error);
        self.visit(|session| session.insert("pin", &VALUES[2]).unwrap()).await;
    }

    fn keys(&self) -> Vec<Key> {
        let of = |token| Key::of(token, self.sessions.namespace());
        self.tokens.iter().map(of).collect()
    }

    /// What must be nowhere.
    fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> = VALUES.iter().map(|it| (*it).to_owned()).collect();
        secrets.extend([SUBJECT.to_owned(), DEVICE.to_owned()]);
        secrets.extend([PASSWORD.to_owned(), WRONG_PASSWORD.to_owned()]);
        let mut bytes: Vec<Vec<u8>> = self.rings.clone();
        for token in &self.tokens {
            let all = URL_SAFE_NO_PAD.decode(token.to_text()).unwrap();
            bytes.push(all[2..].to_vec());
            bytes.push(all);
        }
        bytes.extend(self.keys().iter().map(|key| key.digest().to_vec()));
        bytes.extend(VALUES.map(|value| value.as_bytes().to_vec()));
        secrets.extend(bytes.iter().flat_map(|bytes| spellings(bytes)));
        secrets
    }
}

/// Commands to a server that is down fail soon enough.
fn redis_as(server: &Redis, password: &str) -> RedisStoreBuilder {
    let url = format!("redis://shop:{password}@{}/", server.address());
    let builder = RedisStore::builder(Topology::single(&url).unwrap());
    builder.namespace(NAMESPACE).timeout(Duration::from_secs(2))
}

/// Every form in which somebody may write bytes down.
fn spellings(secret: &[u8]) -> Vec<String> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        URL_SAFE_NO_PAD.encode(secret),
        URL_SAFE.encode(secret),
        STANDARD.encode(secret),
        hex.to_uppercase(),
        hex,
        format!("{secret:?}"),
        secret.escape_ascii().to_string(),
    ]
}

/// On one thread, whose subscriber hears of the tasks of the stores, too.
#[tokio::test]
async fn no_secret_is_in_what_is_recorded_at_trace() {
    let _ = LogTracer::init();
    let recording = Traced::start(tracing::Level::TRACE, FmtSpan::FULL);
    log::trace!("a crate that logs by the other library is heard");

    let mut recorded = Recorded::start().await;
    recorded.live().await;
    eventually("a subscription that is missed", async || {
        recording.text().contains("a subscription has ended")
    })
    .await;

    let (traced, exported) = (recording.text(), recorded.metered.text());
    for expected in [
        "a crate that logs by the other library is heard",
        "session.load{",
        "session.save{",
        "session.store.rotate{",
        "session.cache.load: ",
        "a stored session cannot be read",
        "a subscription has ended",
    ] {
        assert!(traced.contains(expected), "{expected} is missing: {traced}");
    }
    assert!(exported.contains("session.destroyed"), "{exported}");
    assert!(recorded.shown.contains("unavailable"), "{}", recorded.shown);
    assert!(recorded.tokens.len() >= 4);
    for secret in recorded.secrets() {
        for (text, from) in
            [(&traced, "traces"), (&exported, "metrics"), (&recorded.shown, "errors")]
        {
            let place = text.find(&secret);
            let line = place.map(|at| &text[at.saturating_sub(300)..(at + 300).min(text.len())]);
            assert_eq!(line, None, "{secret:?} in {from}");
        }
    }
}
