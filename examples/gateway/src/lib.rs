//! Forward authentication: a proxy asks whose request it is, before it passes it on.
//!
//! Services in other languages share the sessions by this. nginx (`auth_request`), Traefik
//! (`ForwardAuth`) or Caddy (`forward_auth`) asks `GET /auth` with the client's headers; [`app`]
//! answers with who is signed in, as headers which the proxy hands to the service:
//!
//! | answer | says | headers |
//! |---|---|---|
//! | 200 | somebody is signed in | `x-session-user`, `x-session-handle`, `x-session-authenticated-at` |
//! | 401 | nobody is | |
//! | 403 | somebody is, but proved it longer ago than `max_age` allows | |
//! | 503 | nobody can tell: the store is out of reach | `retry-after` |
//! | 400 | the proxy asks for something that there is not | |
//!
//! Any of them may come with `set-cookie`, which is for the client. None may be kept: all say
//! `cache-control: no-store`.
//!
//! - **`x-session-user`** is the subject, percent-encoded (RFC 3986) but for letters, digits and
//!   `-._~@`. So it is ASCII whatever the subject is, and cannot end its header or begin another.
//! - **`x-session-handle`** is the session's public name, as in a list of devices: 22 characters
//!   that open nothing. It changes when the session gets a new id.
//! - **`x-session-authenticated-at`** says when the client last proved who it is, in RFC 3339:
//!   `2026-01-02T03:04:05.678Z`.
//!
//! # What a proxy can ask for
//!
//! | query | |
//! |---|---|
//! | `consistency=strong` | not to be answered from this node's cache: for routes on which a log-out has to hold at once |
//! | `max_age=300` | 403 unless the client proved who it is within so many seconds, as OpenID Connect's `max_age` does |
//!
//! Anything else is 400, since a misspelt demand would be one that nobody keeps. The query is the
//! proxy's to write; a client's own never gets here.
//!
//! To ask is to use the session: its idle timeout begins anew, as by a request to any other
//! service.
//!
//! # Whom to trust
//!
//! The service believes the headers, so no one but the proxy may reach it, and the proxy must not
//! pass on what a client sends under their names. `nginx.conf`, beside this crate, does that for
//! every route, `Caddyfile` does so in Caddy, and the crate's README tells how in Traefik.

mod app;
mod auth;
mod identity;
mod operations;
mod refusal;

pub use app::app;
