//! A portal that is started before its store.

use super::{cached_config_for, until_local};
use crate::redis::down_at_start::started_before;

#[tokio::test]
async fn it_recovers_by_itself_and_caches() {
    let (_redis, _configured, mut client) = started_before(cached_config_for).await;
    until_local(&mut client).await;
}
