//! The spans of an observed store.

use std::io;
use std::sync::{Arc, Mutex};

use session_core::{ErrorKind, Load, Store as _};
use session_layered::observe::Observed;
use session_memory::MemoryStore;
use session_testkit::{FaultyStore, Method, sample};
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Level};
use tracing_subscriber::fmt::format::FmtSpan;

use super::meter::Metered;

/// What this thread traces, as long as this is there.
pub(crate) struct Traced {
    lines: Lines,
    _guard: DefaultGuard,
    /// If there is but one subscriber, what another thread without any comes upon first is taken
    /// to be of interest to nobody.
    _second: Dispatch,
}

impl Traced {
    pub(crate) fn start(level: Level, spans: FmtSpan) -> Self {
        let (second, lines) = (Dispatch::new(NoSubscriber::new()), Lines::default());
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_span_events(spans)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self { lines, _guard: tracing::subscriber::set_default(subscriber), _second: second }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.lines.0.lock().unwrap().clone()).unwrap()
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_operation_has_a_span_of_its_own() {
    let traced = Traced::start(Level::DEBUG, FmtSpan::CLOSE);
    let faulty = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let store = Observed::shared(faulty.clone(), "memory", &Metered::new().meter());
    let key = sample::key();
    store.load(&key, Load::default()).await.unwrap();
    faulty.fail_next(Method::Delete, ErrorKind::Timeout);
    store.delete(&key).await.unwrap_err();
    store.fence().await.unwrap();

    let text = traced.text();
    let memory = r#"session.backend="memory""#;
    for span in [
        format!(r#"session.store.load{{{memory} session.outcome="absent"}}"#),
        format!(
            r#"session.store.delete{{{memory} session.outcome="error" error.type="timeout" otel.status_code="ERROR"}}"#
        ),
        format!(r#"session.store.fence{{{memory} session.outcome="done"}}"#),
    ] {
        assert!(text.contains(&span), "{span}\n{text}");
    }
    let digest: String = key.to_string().split(':').nth(1).unwrap().chars().take(8).collect();
    assert!(!text.contains(&digest), "no key, nor a part of one: {text}");
}
