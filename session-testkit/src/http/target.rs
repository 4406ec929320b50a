//! The server under test.

use std::net::SocketAddr;
use std::time::Duration;

use super::browser::Browser;
use super::connection::Connection;
use super::random::{self, Random};

/// The server under test, and what the script has to know of it.
#[derive(Clone, Debug)]
pub struct Target {
    address: SocketAddr,
    cookie_name: String,
    namespace: Option<String>,
    deadline: Duration,
    idle: Duration,
    schedules: usize,
    seed: u64,
}

impl Target {
    /// The server at this address, whose session cookie has this name.
    ///
    /// # Panics
    ///
    /// If the operating system gives no random bytes.
    pub fn new(address: SocketAddr, cookie_name: impl Into<String>) -> Self {
        Self {
            address,
            cookie_name: cookie_name.into(),
            namespace: None,
            deadline: Duration::from_secs(10),
            idle: Duration::from_millis(1_500),
            schedules: 1_000,
            seed: random::seed(),
        }
    }

    /// The namespace of the server's sessions, from which an attacker who has read the store
    /// computes the keys in it.
    ///
    /// # Default
    ///
    /// The cookie's name, as in the library.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// How long a request may take, and whatever is polled for.
    ///
    /// # Default
    ///
    /// Ten seconds.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The idle timeout of sessions that are to end soon: long enough for the server to note that
    /// a session is in use, even if it notes it in batches. The slowest scenario takes three of
    /// them.
    ///
    /// # Default
    ///
    /// 1,500 ms.
    #[must_use]
    pub fn with_idle_timeout(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// In how many random schedules log-out races with other requests.
    ///
    /// # Default
    ///
    /// 1,000.
    #[must_use]
    pub fn with_schedules(mut self, schedules: usize) -> Self {
        self.schedules = schedules;
        self
    }

    /// Where the random schedules begin. A failure tells the seed that it has seen; what the
    /// server makes of the same schedule may differ.
    ///
    /// # Default
    ///
    /// Another one each time.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The name of its session cookie.
    pub fn cookie_name(&self) -> &str {
        &self.cookie_name
    }

    /// The namespace of its sessions.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or(&self.cookie_name)
    }

    /// How long a request may take.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The idle timeout of sessions that are to end soon.
    pub fn idle_timeout(&self) -> Duration {
        self.idle
    }

    /// In how many random schedules log-out races with other requests.
    pub fn schedules(&self) -> usize {
        self.schedules
    }

    /// A connection, opened by its first request.
    pub fn connection(&self) -> Connection {
        Connection::new(self.clone())
    }

    /// A browser without a cookie.
    pub fn browser(&self) -> Browser {
        Browser::new(self.clone())
    }

    /// A browser that has signed in as a user nobody else is.
    ///
    /// # Panics
    ///
    /// If the server does not let it.
    pub async fn signed_in(&self) -> Browser {
        let mut browser = self.browser();
        browser.log_in(&random::user()).await;
        browser
    }

    pub(super) fn random(&self, schedule: usize) -> Random {
        Random::new(self.seed.wrapping_add(schedule as u64))
    }
}

impl AsRef<Target> for Target {
    fn as_ref(&self) -> &Target {
        self
    }
}
