//! Several who are asked at once, of whom some know better and some do not answer.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

use crate::error::Failure;

/// The answers that come until `grace` after the first one; if there are none, why the last one to
/// fail has none, or `failure` if nobody was asked.
pub(super) async fn first_answers<T>(
    asked: impl IntoIterator<Item = impl Future<Output = Result<T, Failure>>>,
    grace: Duration,
    mut failure: Failure,
) -> Result<Vec<T>, Failure> {
    let mut asked: FuturesUnordered<_> = asked.into_iter().collect();
    let (mut answers, mut until) = (Vec::new(), None);
    while let Some(answer) = match until {
        None => asked.next().await,
        Some(until) => timeout_at(until, asked.next()).await.unwrap_or_default(),
    } {
        match answer {
            Ok(answer) => {
                answers.push(answer);
                until.get_or_insert_with(|| Instant::now() + grace);
            }
            Err(error) => failure = error,
        }
    }
    if answers.is_empty() { Err(failure) } else { Ok(answers) }
}
