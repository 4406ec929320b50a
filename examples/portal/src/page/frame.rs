//! What all pages have in common.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::reply::Reply;

const STYLE: &str = include_str!("style.css");

/// A door, in the colour of the buttons.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
    %3Crect width='16' height='16' rx='4' fill='%232f5fd0'/%3E\
    %3Cpath d='M5 13V4.5a1.5 1.5 0 0 1 1.5-1.5h3A1.5 1.5 0 0 1 11 4.5V13z' fill='%23fff'/%3E\
    %3Ccircle cx='9.4' cy='8.4' r='.8' fill='%232f5fd0'/%3E%3C/svg%3E";

/// A whole page with this title, heading and content. `user` is who is signed in.
pub(super) fn page(title: &str, user: Option<&str>, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) " · Portal" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" href=(ICON);
                style { (PreEscaped(STYLE)) }
            }
            body {
                header.bar {
                    a.brand href="/" { "Portal" }
                    @if let Some(user) = user {
                        p.who { "Signed in as " strong #user { (user) } }
                        form method="post" action="/logout" {
                            button #sign-out type="submit" { "Sign out" }
                        }
                    }
                }
                main { (content) }
                footer { "A demonstration of session-kit." }
            }
        }
    }
}

/// A page that can load nothing, run nothing and be framed by nobody, should anything get into it
/// that was not escaped. What a browser is told to ask from outside the page, it may ask the portal.
pub(super) fn reply(status: u16, page: Markup) -> Reply {
    Reply::new(status, page.into_string())
        .with("content-type", "text/html; charset=utf-8")
        .with("content-security-policy", &**POLICY)
        // Not `no-referrer`: with that, browsers say of a form that it comes from nowhere.
        .with("referrer-policy", "same-origin")
        .with("cross-origin-opener-policy", "same-origin")
}

/// Names the one style sheet by its digest, so any other one is dropped.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});
