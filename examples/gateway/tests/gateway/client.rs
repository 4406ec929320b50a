//! A browser's part: requests, with room for one cookie.

use std::fmt;

use axum::body::{Body, Bytes};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::timeout;

use crate::patience::DEADLINE;

#[derive(Clone)]
pub(crate) struct Client {
    http: legacy::Client<HttpConnector, Body>,
    url: String,
    /// `id=token`
    cookie: Option<String>,
}

impl Client {
    pub(crate) fn new(url: String) -> Self {
        let http = legacy::Client::builder(TokioExecutor::new()).build_http();
        Self { http, url, cookie: None }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[], body).await
    }

    pub(crate) async fn log_in(&mut self, subject: &str) {
        self.post("/log-in", subject).await.expect(204);
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let asked = format!("{method} {path}");
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let sent = timeout(DEADLINE, self.http.request(request)).await.expect("an answer in time");
        let response = sent.unwrap_or_else(|error| panic!("no answer to {asked}: {error:?}"));
        let (head, body) = response.into_parts();
        let body = timeout(DEADLINE, body.collect()).await.expect("the whole answer in time");
        let body = body.expect("a whole answer").to_bytes();
        let answer = Answer { asked, status: head.status.as_u16(), headers: head.headers, body };
        if let Some(set) = answer.session_cookie() {
            let pair = set.split(';').next().unwrap_or_default();
            self.cookie = (pair != "id=").then(|| pair.to_owned());
        }
        answer
    }

    /// `id=token`
    pub(crate) fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    pub(crate) fn set_cookie(&mut self, cookie: &str) {
        self.cookie = Some(cookie.to_owned());
    }
}

pub(crate) struct Answer {
    asked: String,
    pub(crate) status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// By the gateway, or in the words of nginx's configuration.
    #[track_caller]
    pub(crate) fn expect_error(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.json()["error"], code, "{answer}");
        assert_eq!(answer.header("content-type"), ["application/json"], "{answer}");
        answer.expect_uncached()
    }

    /// Nobody can tell, for now; nobody is signed out by that, nor sent to sign in.
    #[track_caller]
    pub(crate) fn expect_outage(self) -> Self {
        let answer = self.expect_error(503, "store_unavailable");
        assert_eq!(answer.header("retry-after"), ["1"], "{answer}");
        assert_eq!(answer.session_cookie(), None, "{answer}");
        answer
    }

    #[track_caller]
    pub(crate) fn expect_uncached(self) -> Self {
        assert_eq!(self.header("cache-control"), ["no-store"], "{self}");
        self
    }

    #[track_caller]
    pub(crate) fn expect_cleared(self) -> Self {
        let set = self.session_cookie().unwrap_or_default();
        assert!(set.starts_with("id=;") && set.contains("Max-Age=0"), "{self}");
        self
    }

    /// Every value of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let values = self.headers.get_all(name).iter();
        values.map(|value| value.to_str().expect("a header in ASCII")).collect()
    }

    pub(crate) fn session_cookie(&self) -> Option<&str> {
        let cookies = self.header(SET_COOKIE.as_str());
        let mut sessions = cookies.into_iter().filter(|cookie| cookie.starts_with("id="));
        let cookie = sessions.next();
        assert_eq!(sessions.next(), None, "{self}");
        cookie
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, status, headers, body } = self;
        let body = String::from_utf8_lossy(body);
        write!(f, "{asked} is answered {status} {headers:?} {body}")
    }
}
