//! What a handler pays that talks to Redis itself: one command to read, two to change, one
//! connection, and nothing of what sessions are for.

use axum::Router;
use axum::extract::State;
use axum::http::header::{COOKIE as COOKIE_HEADER, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::get;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, AsyncConnectionConfig, Script};

use crate::application::{COOKIE, Content, IDLE_SECONDS, LATE, NONE, on_tokio};
use crate::variants::{Failure, Places};

/// One connection, and the script that writes and announces.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) connection: MultiplexedConnection,
    script: std::sync::Arc<Script>,
}

pub(crate) fn serve(places: &Places) -> Result<(), Failure> {
    on_tokio(async {
        let routes = Router::new()
            .route("/untouched", get(async || "ok"))
            .route("/read", get(read))
            .route("/increment", get(increment))
            .route("/create", get(create));
        Ok(routes.with_state(Raw::connect(&places.redis).await?))
    })
}

async fn read(State(raw): State<Raw>, headers: HeaderMap) -> Result<String, Failed> {
    let Some(content) = raw.load(id_of(&headers)).await? else { return Ok(NONE.to_owned()) };
    Ok(content.counter.to_string())
}

async fn increment(State(raw): State<Raw>, headers: HeaderMap) -> Result<String, Failed> {
    let id = id_of(&headers);
    let Some(mut content) = raw.load(id).await? else { return Ok(NONE.to_owned()) };
    content.counter += 1;
    raw.replace(id, &content).await?;
    Ok(content.counter.to_string())
}

async fn create(State(raw): State<Raw>) -> Result<impl IntoResponse, Failed> {
    let id = new_id();
    raw.create(&id, &Content::new()).await?;
    Ok((set_cookie(&id), "0"))
}

impl Raw {
    pub(crate) async fn connect(url: &str) -> Result<Self, Failure> {
        let client = redis::Client::open(url)?;
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(LATE));
        let connection = client.get_multiplexed_async_connection_with_config(&patient).await?;
        let script = "redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) \
                      redis.call('PUBLISH', 'raw:changes', KEYS[1]) return 1";
        Ok(Self { connection, script: std::sync::Arc::new(Script::new(script)) })
    }

    async fn load(&self, id: &str) -> Result<Option<Content>, Failed> {
        let mut connection = self.connection.clone();
        let json: Option<Vec<u8>> = connection.get(name(id)).await?;
        Ok(json.map(|json| serde_json::from_slice(&json)).transpose()?)
    }

    /// `EVALSHA`: sets and publishes.
    pub(crate) async fn replace(&self, id: &str, content: &Content) -> Result<(), Failed> {
        let mut call = self.script.key(name(id));
        call.arg(serde_json::to_vec(content)?).arg(IDLE_SECONDS);
        Ok(call.invoke_async::<()>(&mut self.connection.clone()).await?)
    }

    pub(crate) async fn create(&self, id: &str, content: &Content) -> Result<(), Failed> {
        let json = serde_json::to_vec(content)?;
        let mut connection = self.connection.clone();
        Ok(connection.set_ex::<_, _, ()>(name(id), json, IDLE_SECONDS.into()).await?)
    }
}

fn name(id: &str) -> String {
    format!("raw:{id}")
}

/// 256 random bits, as hexadecimal digits.
pub(crate) fn new_id() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn id_of(headers: &HeaderMap) -> &str {
    let cookie = headers.get(COOKIE_HEADER).and_then(|value| value.to_str().ok());
    let id = cookie.and_then(|cookie| cookie.strip_prefix(COOKIE)?.strip_prefix('='));
    id.unwrap_or_default()
}

pub(crate) fn set_cookie(id: &str) -> AppendHeaders<[(axum::http::HeaderName, String); 1]> {
    let attributes = "HttpOnly; SameSite=Lax; Secure; Path=/";
    AppendHeaders([(SET_COOKIE, format!("{COOKIE}={id}; {attributes}"))])
}

/// Any failure is a 500, which spoils the run.
#[derive(Debug)]
pub(crate) struct Failed(Failure);

impl<E: Into<Failure>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> axum::response::Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}
