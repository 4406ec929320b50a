//! Refuses what pages of other sites have the visitor's browser send.
//!
//! `SameSite=Lax` keeps the cookie out of such requests, but not out of those of a sibling
//! subdomain, and a log-in needs no cookie: somebody else's page could sign the visitor in as an
//! attacker. Browsers say where a request comes from; programs say nothing, and are let through.

use axum::extract::Request;
use axum::http::header::{HOST, HeaderMap, ORIGIN};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::page;
use crate::reply::Failure;

pub(crate) async fn guard_api(request: Request, next: Next) -> Response {
    if is_cross_site(request.method(), request.headers()) {
        return Failure::CrossSite.into_response();
    }
    next.run(request).await
}

pub(crate) async fn guard_pages(request: Request, next: Next) -> Response {
    if is_cross_site(request.method(), request.headers()) {
        let text = "This form was sent by a page of another site, so nothing was done.";
        return page::problem(StatusCode::FORBIDDEN, text);
    }
    next.run(request).await
}

fn is_cross_site(method: &Method, headers: &HeaderMap) -> bool {
    if method.is_safe() {
        return false;
    }
    if let Some(site) = headers.get("sec-fetch-site") {
        // `none`: the user's own doing, such as a bookmark.
        return site != "same-origin" && site != "none";
    }
    // Browsers leave `Sec-Fetch-Site` out where there is no TLS, but for the machine's own address.
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    match (authority, headers.get(HOST)) {
        (Some((_, authority)), Some(host)) => host != authority,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(method: Method, headers: &[(&'static str, &str)]) -> bool {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        is_cross_site(&method, &headers)
    }

    #[test]
    fn other_sites_are_refused_and_programs_are_not() {
        let host = ("host", "portal.example:3000");
        let cases: &[(&[(&str, &str)], bool)] = &[
            (&[], false),
            (&[host], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "null")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "")], true),
            (&[host, ("origin", "http://portal.example:3000")], false),
            (&[host, ("origin", "http://portal.example")], true),
            (&[host, ("origin", "https://evil.example")], true),
            (&[host, ("origin", "null")], true),
            (&[("origin", "https://evil.example")], true),
        ];
        for (headers, refused) in cases {
            assert_eq!(is_refused(Method::POST, headers), *refused, "{headers:?}");
            assert!(!is_refused(Method::GET, headers), "{headers:?}");
        }
    }
}
