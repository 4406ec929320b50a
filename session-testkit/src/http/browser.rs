//! A browser, as far as sessions go.

use serde_json::{Value, json};

use super::connection::Connection;
use super::request::Request;
use super::response::Response;
use super::target::Target;

/// A client that keeps the session cookie as it is told, on a connection of its own.
///
/// It knows one cookie. That a server sets no other one, and none that the browser would not send
/// back, is checked for [every response](super::laws).
#[derive(Debug)]
pub struct Browser {
    target: Target,
    connection: Connection,
    token: Option<String>,
    user: String,
}

impl Browser {
    pub(super) fn new(target: Target) -> Self {
        let connection = target.connection();
        Self { target, connection, token: None, user: String::new() }
    }

    /// The same cookie in another browser, or in the hands of whoever has copied it.
    #[must_use]
    pub fn twin(&self) -> Self {
        let twin = Self::new(self.target.clone());
        Self { token: self.token.clone(), user: self.user.clone(), ..twin }
    }

    /// This browser with another value in its cookie.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.set_token(token);
        self
    }

    /// Puts another value into the cookie.
    pub fn set_token(&mut self, token: impl Into<String>) {
        self.token = Some(token.into());
    }

    /// The value of the cookie, if there is one.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The value of the cookie.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[track_caller]
    pub fn live_token(&self) -> String {
        self.token.clone().expect("this browser has no cookie")
    }

    /// Who has signed in last.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Opens the connection beforehand.
    ///
    /// # Panics
    ///
    /// If the server does not let it.
    pub async fn open(&mut self) {
        self.connection.open().await;
    }

    /// Sends a request with the cookie, and keeps what the response sets.
    ///
    /// # Panics
    ///
    /// If there is no response, or it breaks a [law](super::laws).
    pub async fn send(&mut self, request: Request) -> Response {
        let request = match &self.token {
            Some(token) => request.cookie(format!("{}={token}", self.target.cookie_name())),
            None => request,
        };
        let response = self.connection.send(&request).await;
        if let Some(cookie) = response.set_cookie() {
            self.token = (!cookie.is_removal()).then(|| cookie.value().to_owned());
        }
        response
    }

    /// A `GET`.
    ///
    /// # Panics
    ///
    /// As [`send`](Browser::send), and so all below.
    pub async fn get(&mut self, path: &str) -> Response {
        self.send(Request::get(path)).await
    }

    /// A `POST` without a body.
    pub async fn post(&mut self, path: &str) -> Response {
        self.send(Request::post(path)).await
    }

    /// A `PUT` of a JSON value.
    pub async fn put(&mut self, path: &str, value: &Value) -> Response {
        self.send(Request::put(path, value)).await
    }

    /// A `DELETE`.
    pub async fn delete(&mut self, path: &str) -> Response {
        self.send(Request::delete(path)).await
    }

    /// Signs in, and insists on it.
    pub async fn log_in(&mut self, user: &str) -> Response {
        let credentials = json!({ "user": user, "password": "demo" });
        let response = self.send(Request::post("/api/login").json(&credentials)).await.expect(200);
        assert_eq!(response.text_member("user"), user, "who signed in, in {response}");
        user.clone_into(&mut self.user);
        response
    }

    /// Who the server says this is, which must be who has signed in.
    pub async fn me(&mut self) -> Response {
        let response = self.get("/api/me").await.expect(200);
        assert_eq!(response.text_member("user"), self.user, "who this is, in {response}");
        response
    }

    /// Stores a value, and insists on it.
    pub async fn store(&mut self, name: &str, value: &Value) -> Response {
        self.put(&format!("/api/data/{name}"), value).await.expect(204)
    }

    /// The value stored under a name, if there is one.
    pub async fn stored(&mut self, name: &str) -> Option<Value> {
        let response = self.get(&format!("/api/data/{name}")).await;
        if response.status() == 404 {
            response.expect_error(404, "not_found");
            return None;
        }
        Some(response.expect(200).json())
    }

    /// Insists that `token` is the token of no session: whoever brings it is anonymous, is told to
    /// forget it.
    pub async fn expect_dead(&mut self, token: &str) {
        for path in ["/api/me", "/api/me?consistency=strong", "/api/devices"] {
            self.set_token(token);
            self.get(path).await.expect_anonymous().expect_cleared();
        }
    }
}
