//! axum-login on session-kit: log-ins that all instances share, a cache on each of them, and
//! log-outs that hold everywhere.
//!
//! ```sh
//! export REDIS_URL=redis://127.0.0.1/
//! cargo run -p example-axum-login -- 127.0.0.1:3000 &
//! cargo run -p example-axum-login -- 127.0.0.1:3001
//! ```
//!
//! Nothing but the first few lines of `main` has to do with session-kit.

use std::convert::Infallible;
use std::env;
use std::error::Error;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_login::tower_sessions::{Expiry, SessionManagerLayer};
use axum_login::{AuthManagerLayerBuilder, AuthUser, AuthnBackend, UserId, login_required};
use serde::Deserialize;
use session_kit::{Layered, RedisStore, Topology};
use session_tower_sessions::TowerSessionStore;
use time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1/".to_owned());
    let redis = RedisStore::builder(Topology::single(&url)?).namespace("axum-login").build()?;
    let store = TowerSessionStore::builder(Layered::builder(redis).build()?).build()?;

    let sessions = SessionManagerLayer::new(store)
        // There is no TLS on this machine's own address; everywhere else leave it as it is.
        .with_secure(false)
        .with_expiry(Expiry::OnInactivity(Duration::minutes(30)));
    let app = Router::new()
        .route("/", get(page))
        .route_layer(login_required!(Users, login_url = "/log-in"))
        .route("/log-in", get(form).post(log_in))
        .route("/log-out", post(log_out))
        .layer(AuthManagerLayerBuilder::new(Users, sessions).build());

    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Whom axum-login knows: any name, with the password `demo`.
#[derive(Clone)]
struct Users;

#[derive(Clone, Debug)]
struct User(String);

#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
}

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.0.clone()
    }

    /// Of a password that never changes. Otherwise what is derived from the stored one: a session
    /// from before a change is none any more.
    fn session_auth_hash(&self) -> &[u8] {
        b"1"
    }
}

impl AuthnBackend for Users {
    type User = User;
    type Credentials = Credentials;
    type Error = Infallible;

    async fn authenticate(&self, given: Credentials) -> Result<Option<User>, Infallible> {
        let is_right = !given.user.is_empty() && given.password == "demo";
        Ok(is_right.then_some(User(given.user)))
    }

    async fn get_user(&self, name: &UserId<Self>) -> Result<Option<User>, Infallible> {
        Ok(Some(User(name.clone())))
    }
}

type AuthSession = axum_login::AuthSession<Users>;

async fn form() -> Html<&'static str> {
    Html(
        "<form method=post><input name=user placeholder=name> \
         <input name=password type=password placeholder=demo> <button>Log in</button></form>",
    )
}

async fn log_in(mut auth: AuthSession, Form(given): Form<Credentials>) -> Response {
    match auth.authenticate(given).await {
        Ok(Some(user)) => match auth.login(&user).await {
            Ok(()) => Redirect::to("/").into_response(),
            Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        },
        Ok(None) => StatusCode::UNAUTHORIZED.into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// For those who are logged in.
async fn page(auth: AuthSession) -> Html<String> {
    let name = auth.user.map(|User(name)| escape(&name)).unwrap_or_default();
    Html(format!(
        "Hello, {name}. <form method=post action=/log-out><button>Log out</button></form>"
    ))
}

async fn log_out(mut auth: AuthSession) -> Response {
    match auth.logout().await {
        Ok(_) => Redirect::to("/log-in").into_response(),
        // The session may live on: better an error than a log-out that is none.
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
