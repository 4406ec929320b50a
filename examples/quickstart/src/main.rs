//! Counts a visitor's visits, in the embedded store.
//!
//! Run it with `cargo run -p quickstart` and reload <http://127.0.0.1:3000>.

use axum::Router;
use axum::routing::get;
use session_kit::axum::{Session, SessionError, SessionLayer};
use session_kit::{Field, MemoryStore, SessionCookie, Sessions};

const VISITS: Field<u64> = Field::new("visits");

async fn count(session: Session) -> Result<String, SessionError> {
    let visits = session.update(VISITS, |visits| visits.unwrap_or(0) + 1)?;
    Ok(format!("This is visit number {visits}.\n"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // There is no TLS on this machine's own address; everywhere else leave the cookie as it is.
    let cookie = SessionCookie::new("visits").danger_send_without_tls();
    let sessions = Sessions::builder(MemoryStore::new()).cookie(cookie).build()?;
    let app = Router::new().route("/", get(count)).layer(SessionLayer::new(sessions));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
