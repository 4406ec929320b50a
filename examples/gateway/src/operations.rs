//! For whoever runs the gateway: can it work?

use std::time::Duration;

use axum::extract::State;
use session_kit::{Consistency, Error, Key, Load, OsEntropy, Sessions, Token};

use crate::refusal::Refusal;

/// A store that takes longer is of no use to a visitor.
const READY_WITHIN: Duration = Duration::from_secs(1);

pub(crate) async fn is_ready(State(sessions): State<Sessions>) -> Result<&'static str, Refusal> {
    let reason = match tokio::time::timeout(READY_WITHIN, ask(&sessions)).await {
        Ok(Ok(())) => return Ok("ok"),
        Ok(Err(error)) => {
            // Its text may say where the store is.
            tracing::warn!(%error, "the session store is of no use");
            format!("the session store answers with an error ({})", error.kind())
        }
        Err(_) => "the session store does not answer within a second".to_owned(),
    };
    Err(Refusal::NotReady(reason))
}

/// Reads a session that nobody has: the cheapest question that every store has to answer.
async fn ask(sessions: &Sessions) -> Result<(), Error> {
    let key = Key::of(&Token::random(&OsEntropy)?, sessions.namespace());
    let load = Load::default().consistency(Consistency::Strong);
    sessions.store().load(&key, load).await?;
    Ok(())
}
