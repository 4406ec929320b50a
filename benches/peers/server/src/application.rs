//! What every variant has in common: the session's content, and where it is served.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::variants::Failure;

/// Name of the cookie, wherever one can be chosen.
pub(crate) const COOKIE: &str = "session";
/// Idle timeout, everywhere.
pub(crate) const IDLE_SECONDS: u32 = 1_800;
/// What is answered where no session was found.
pub(crate) const NONE: &str = "none";
/// When an operation of a store is given up, where that can be set: a machine that is loaded to the full
/// by several processes, as it is here, makes no mistake by being late.
pub(crate) const LATE: Duration = Duration::from_secs(10);
/// Room for every session of a run.
pub(crate) const CAPACITY: usize = 20_000_000;

/// A session of 283 bytes of JSON, in fields.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Content {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) cart: Vec<u32>,
    pub(crate) theme: String,
    pub(crate) counter: u64,
}

impl Content {
    pub(crate) fn new() -> Self {
        Self {
            name: "Ada Lovelace".to_owned(),
            address: "12 St James's Square, London SW1Y 4JH, United Kingdom".to_owned(),
            cart: (1_000..1_025).collect(),
            theme: "dark, with large letters, no pictures".to_owned(),
            counter: 0,
        }
    }
}

/// Runs an application on two workers, which is what all variants have.
pub(crate) fn on_tokio<F>(application: F) -> Result<(), Failure>
where
    F: Future<Output = Result<axum::Router, Failure>>,
{
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(WORKERS).enable_all().build()?.block_on(async {
        let application = application.await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        tell_address(listener.local_addr()?);
        // axum_session looks for the address of the client.
        let service = application.into_make_service_with_connect_info::<std::net::SocketAddr>();
        Ok(axum::serve(listener, service).await?)
    })
}

pub(crate) const WORKERS: usize = 2;

/// The line for which the driver waits.
pub(crate) fn tell_address(address: std::net::SocketAddr) {
    println!("listening on {address}");
}

#[cfg(test)]
mod tests {
    use super::Content;

    #[test]
    fn a_session_has_the_bytes_that_reports_tell() {
        let json = serde_json::to_string(&Content::new()).expect("JSON");
        assert_eq!(json.len(), 283);
    }
}
