//! For whoever runs the portal: is it alive, can it work, what is it doing.

use std::time::Duration;

use session_kit::{Consistency, Error, ErrorKind, Key, Load, OsEntropy, Sessions, Token};

use crate::metrics::Metrics;
use crate::reply::{self, Failure, Reply};

/// A store that takes longer is of no use to a visitor.
const READY_WITHIN: Duration = Duration::from_secs(1);

pub(crate) fn is_alive() -> Reply {
    Reply::text("ok").unstored()
}

pub(crate) async fn is_ready(sessions: &Sessions) -> Result<Reply, Failure> {
    match tokio::time::timeout(READY_WITHIN, ask(sessions)).await {
        Ok(Ok(())) => Ok(Reply::text("ok").unstored()),
        Ok(Err(error)) => {
            reply::log(&error);
            Err(Failure::NotReady(reason(&error).into()))
        }
        Err(_) => {
            Err(Failure::NotReady("the session store does not answer within a second".into()))
        }
    }
}

/// What anybody may know: the kind, and the server's own word for it if it has one. An error's
/// text, which may say where the store is, goes to the log.
fn reason(error: &Error) -> String {
    let told = match error.kind() {
        ErrorKind::Timeout => "the session store does not answer in time",
        ErrorKind::Unavailable => "the session store cannot be reached, or refuses to work",
        _ => "the session store answers with an error",
    };
    match error.context("code") {
        Some(code) => format!("{told} ({code})"),
        None => told.to_owned(),
    }
}

/// Reads a session that nobody has: the cheapest question that every store has to answer.
async fn ask(sessions: &Sessions) -> Result<(), Error> {
    let key = Key::of(&Token::random(&OsEntropy)?, sessions.namespace());
    let load = Load::default().consistency(Consistency::Strong);
    sessions.store().load(&key, load).await?;
    Ok(())
}

pub(crate) fn export(metrics: &Metrics) -> Reply {
    match metrics.to_text() {
        Ok(text) => Reply::new(200, text)
            .with("content-type", "text/plain; version=0.0.4; charset=utf-8")
            .unstored(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written down");
            Reply::new(500, "")
        }
    }
}
