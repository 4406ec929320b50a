//! A client with room for one cookie.

use std::fmt;

use axum::body::{Body, Bytes};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::process::DEADLINE;

type Http = legacy::Client<HttpConnector, Body>;

#[derive(Clone)]
pub(crate) struct Client {
    http: Http,
    url: String,
    /// `name=value`
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

    pub(crate) async fn post(&mut self, path: &str) -> Answer {
        self.send("POST", path, &[], "").await
    }

    pub(crate) async fn post_json(&mut self, path: &str, value: &Value) -> Answer {
        self.send("POST", path, &[], value.to_string()).await
    }

    pub(crate) async fn put(&mut self, path: &str, value: &Value) -> Answer {
        self.send("PUT", path, &[], value.to_string()).await
    }

    pub(crate) async fn delete(&mut self, path: &str) -> Answer {
        self.send("DELETE", path, &[], "").await
    }

    /// Sends a form, as a browser does.
    pub(crate) async fn submit(&mut self, path: &str, form: impl Into<Body>) -> Answer {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("sec-fetch-site", "same-origin"),
        ];
        self.send("POST", path, &headers, form).await
    }

    pub(crate) async fn log_in(&mut self, user: &str) -> Answer {
        let answer =
            self.post_json("/api/login", &json!({ "user": user, "password": "demo" })).await;
        answer.expect(200)
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let asked = format!("{method} {path}");
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        let sent = timeout(DEADLINE, self.http.request(request)).await;
        let response = sent.expect("an answer in time").unwrap_or_else(|error| {
            panic!("no answer to {asked}: {error:?}");
        });
        let answer = Answer::read(asked, response.map(Body::new)).await;
        if let Some(set) = answer.set_cookie() {
            let pair = set.split(';').next().unwrap_or_default();
            let is_removal = pair.split_once('=').is_none_or(|(_, value)| value.is_empty());
            self.cookie = (!is_removal).then(|| pair.to_owned());
        }
        answer
    }

    pub(crate) fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    pub(crate) fn forget_cookie(&mut self) {
        self.cookie = None;
    }

    pub(crate) fn set_cookie(&mut self, cookie: &str) {
        self.cookie = Some(cookie.to_owned());
    }
}

pub(crate) struct Answer {
    asked: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    pub(crate) async fn read(asked: String, response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let body = timeout(DEADLINE, body.collect()).await.expect("the whole answer in time");
        let body = body.expect("a whole answer").to_bytes();
        Self { asked, status: head.status.as_u16(), headers: head.headers, body }
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        if status == 204 {
            assert!(self.body.is_empty(), "{self}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn expect_error(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        let error = answer.json();
        assert_eq!(error["error"], code, "{answer}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
        assert_eq!(error.as_object().map(serde_json::Map::len), Some(2), "{answer}");
        assert_eq!(answer.header("content-type"), "application/json", "{answer}");
        answer
    }

    #[track_caller]
    pub(crate) fn expect_cleared(self) -> Self {
        let set = self.set_cookie().unwrap_or_default();
        assert!(set.starts_with("id=;") && set.contains("Max-Age=0"), "{self}");
        self
    }

    #[track_caller]
    pub(crate) fn expect_no_cookie(self) -> Self {
        assert_eq!(self.set_cookie(), None, "{self}");
        self
    }

    /// Where a form leads to.
    #[track_caller]
    pub(crate) fn expect_redirect(self, address: &str) -> Self {
        let answer = self.expect(303);
        assert_eq!(answer.header("location"), address, "{answer}");
        answer
    }

    pub(crate) fn set_cookie(&self) -> Option<&str> {
        let values = self.headers.get_all(SET_COOKIE);
        assert!(values.iter().count() <= 1, "{self}");
        values.iter().next().map(|value| value.to_str().expect("a cookie in ASCII"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header in ASCII"))
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, status, headers, body: _ } = self;
        write!(f, "{asked} is answered {status} {headers:?} {}", self.text())
    }
}
