//! What is behind the proxy and knows no sessions: it tells what it was given.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::{Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::client::Answer;

/// Something that serves until it is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Served {
    pub(crate) async fn new(app: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its number");
        let task = tokio::spawn(async { axum::serve(listener, app).await.expect("serving") });
        Self { address, task }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The service, and how often it was asked.
pub(crate) struct Service {
    pub(crate) served: Served,
    asked: Arc<AtomicUsize>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&asked));
        Self { served: Served::new(app).await, asked }
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn answer(State(asked): State<Arc<AtomicUsize>>, request: Request) -> Response {
    asked.fetch_add(1, Ordering::SeqCst);
    let (head, body) = request.into_parts();
    let status = match head.uri.path() {
        "/service/api/broken" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::OK,
    };
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole body");
    let given = given(&head.headers, &String::from_utf8_lossy(&body));
    (status, [(SET_COOKIE, "theirs=1")], given).into_response()
}

/// All headers with all their values, and the body.
pub(crate) fn given(headers: &HeaderMap, body: &str) -> Json<BTreeMap<String, Vec<String>>> {
    let mut given = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        given.entry(name.as_str().to_owned()).or_default().push(value);
    }
    given.insert("(body)".to_owned(), vec![body.to_owned()]);
    Json(given)
}

impl Answer {
    /// The values of a header that the service was given.
    pub(crate) fn given(&self, name: &str) -> Vec<String> {
        let values = self.json()[name].take();
        serde_json::from_value(values).unwrap_or_default()
    }

    /// All that begins with `x_session` or `x-session`, whoever may have written it.
    pub(crate) fn identity(&self) -> Vec<(String, Vec<String>)> {
        let given: BTreeMap<String, Vec<String>> =
            serde_json::from_value(self.json()).expect("what was given");
        let names_identity = |name: &str| name.replace('_', "-").starts_with("x-session");
        given.into_iter().filter(|(name, _)| names_identity(name)).collect()
    }
}
