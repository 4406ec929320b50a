//! A cache that several users share, as a content delivery network has.

use super::super::{Browser, Response};

/// What a cache takes notice of. Real ones have been found deaf to one or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obeys {
    All,
    NoStore,
    Vary,
}

/// Keeps what RFC 9111 (section 3) allows a shared cache to keep, for as long as it likes.
pub(super) struct SharedCache {
    obeys: Obeys,
    kept: Vec<Kept>,
}

struct Kept {
    path: String,
    /// The cookie that the request must have, if the response depends on it.
    cookie: Option<Option<String>>,
    response: Response,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Cache,
    Server,
}

impl SharedCache {
    pub(super) fn new(obeys: Obeys) -> Self {
        Self { obeys, kept: Vec::new() }
    }

    /// What `browser` gets for a `GET`, through this cache.
    pub(super) async fn get(&mut self, browser: &mut Browser, path: &str) -> (Response, From) {
        let cookie = browser.token().map(str::to_owned);
        let hit = self.kept.iter().find(|kept| {
            kept.path == path && kept.cookie.as_ref().is_none_or(|wanted| *wanted == cookie)
        });
        if let Some(kept) = hit {
            return (kept.response.clone(), From::Cache);
        }
        let response = browser.get(path).await;
        if self.may_keep(&response) {
            let vary = response.list("vary");
            let depends = self.obeys != Obeys::NoStore && vary.contains(&"cookie".to_owned());
            self.kept.push(Kept {
                path: path.to_owned(),
                cookie: depends.then_some(cookie),
                response: response.clone(),
            });
        }
        (response, From::Server)
    }

    fn may_keep(&self, response: &Response) -> bool {
        let says = |directive: &str| {
            let told = response.list("cache-control");
            told.iter().any(|member| member == directive)
        };
        let hears = self.obeys != Obeys::Vary;
        let forbidden = hears && (says("no-store") || says("private"));
        let unmatchable = response.list("vary").contains(&"*".to_owned());
        let is_final = [200, 404].contains(&response.status());
        is_final && !forbidden && !unmatchable
    }
}
