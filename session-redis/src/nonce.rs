//! Remembers what may be used only once.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::{Cmd, Value};
use session_core::{Error, Lane};
use tokio::time::Instant;

use crate::client::{Call, Request};
use crate::error::Failure;
use crate::slot::Slot;
use crate::store::{LONGEST_LIFE, RedisStore, State};
use crate::sync::lock;

/// Nonces that every node of a service refuses once one of them has accepted them.
///
/// Only a digest of a nonce is stored. A server that may evict keys could forget one before its
/// time, and accept the same request twice: such a server is refused, and looked at again every
/// ten seconds.
///
/// ```no_run
/// use std::time::Duration;
///
/// use session_redis::{Claim, RedisNonces, RedisStore, Topology};
///
/// # async fn example() -> Result<(), session_core::Error> {
/// let store = RedisStore::builder(Topology::single("redis://127.0.0.1/")?).build()?;
/// let nonces = RedisNonces::new(&store);
/// let window = Duration::from_secs(300);
/// match nonces.claim(b"client-7:5f1c", window).await? {
///     Claim::First => {} // go on
///     Claim::Replayed => {} // refuse the request
/// }
/// # Ok(())
/// # }
/// ```
pub struct RedisNonces {
    state: Arc<State>,
    /// When each primary was last found to evict nothing.
    looked_at: Mutex<HashMap<Lane, Instant>>,
}

/// Whether a nonce is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a nonce that was used before must not be accepted"]
pub enum Claim {
    /// Nobody has used it within its lifetime, as far as the server knows. Nobody else will be
    /// told so, unless the server loses what it has acknowledged.
    First,
    /// It was used before.
    Replayed,
}

/// How often to look whether a server may evict.
const LOOK: Duration = Duration::from_secs(10);

impl RedisNonces {
    /// Nonces on the servers, and in the namespace, of this store.
    #[must_use]
    pub fn new(store: &RedisStore) -> Self {
        Self { state: Arc::clone(store.state()), looked_at: Mutex::default() }
    }

    /// Uses a nonce up, for `lifetime` at least: as long as a request that carries it could be
    /// accepted, the tolerance for wrong clocks included.
    ///
    /// # Errors
    ///
    /// If the store cannot tell, the request that carries the nonce must be refused: whether it is
    /// used up is unknown then. [`ErrorKind::Misconfigured`](session_core::ErrorKind::Misconfigured) if
    /// the server may evict keys.
    pub async fn claim(&self, nonce: &[u8], lifetime: Duration) -> Result<Claim, Error> {
        self.try_claim(nonce, lifetime).await.map_err(|error| error.during("claim nonce"))
    }

    async fn try_claim(&self, nonce: &[u8], lifetime: Duration) -> Result<Claim, Error> {
        let until = self.state.client.until();
        let (name, slot) = self.state.names.nonce(nonce);
        self.check_eviction(slot, until).await?;
        let lifetime = u64::try_from(lifetime.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let lifetime = lifetime.clamp(1, LONGEST_LIFE);
        let mut command = redis::cmd("SET");
        command.arg(name).arg("").arg("NX").arg("PX").arg(lifetime);
        match self.ask(slot, &command, until).await? {
            Value::Okay => Ok(Claim::First),
            Value::Nil => Ok(Claim::Replayed),
            _ => Err(Failure::strange_reply().into()),
        }
    }

    async fn check_eviction(&self, slot: Slot, until: Instant) -> Result<(), Error> {
        let lane = self.state.client.primary(slot, until).await?.lane;
        if lock(&self.looked_at).get(&lane).is_some_and(|at| at.elapsed() < LOOK) {
            return Ok(());
        }
        let mut command = redis::cmd("INFO");
        let answer = self.ask(slot, command.arg("memory"), until).await?;
        let text = match &answer {
            Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
            Value::VerbatimString { text, .. } => Some(text.as_str()),
            _ => None,
        };
        match text.and_then(eviction) {
            None => Err(Failure::strange_reply().into()),
            Some(None) => {
                lock(&self.looked_at).insert(lane, Instant::now());
                Ok(())
            }
            Some(Some(policy)) => Err(Error::misconfigured(
                "maxmemory-policy",
                policy,
                "a server that evicts keys may forget a nonce, and accept a request twice: \
                 nonces need `noeviction`",
            )),
        }
    }

    /// Never repeated: the second time, the nonce would have been used, by the first.
    async fn ask(&self, slot: Slot, command: &Cmd, until: Instant) -> Result<Value, Error> {
        let request = Request::Command(command);
        let call = Call { slot, request, until, is_repeatable: false, wait: None };
        self.state.client.execute(call).await
    }
}

impl fmt::Debug for RedisNonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisNonces").field("servers", &self.state.client.servers).finish()
    }
}

/// By which policy the server evicts, if it does. `None` if that is not what `info` tells.
fn eviction(info: &str) -> Option<Option<&str>> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
    let (limit, policy) = (field("maxmemory:")?, field("maxmemory_policy:")?);
    Some(if limit == "0" || policy == "noeviction" { None } else { Some(policy) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_with_a_limit_and_a_policy_evicts() {
        let info = |limit, policy| {
            format!("# Memory\r\nmaxmemory:{limit}\r\nmaxmemory_policy:{policy}\r\n")
        };
        assert_eq!(eviction(&info("0", "allkeys-lru")), Some(None));
        assert_eq!(eviction(&info("1000", "noeviction")), Some(None));
        assert_eq!(eviction(&info("1000", "volatile-ttl")), Some(Some("volatile-ttl")));
        assert_eq!(eviction("# Memory"), None);
    }
}
