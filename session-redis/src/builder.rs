//! How a store is set up.

use std::sync::Arc;
use std::time::Duration;

use session_core::{Clock, Error, Namespace, SystemClock};

use crate::client::{Client, Wait};
use crate::connect::{Connector, Servers};
use crate::names::Names;
use crate::store::{RedisStore, State};
use crate::topology::{Login, ServerList, Topology};

/// Sets up a [`RedisStore`].
#[derive(Clone, Debug)]
#[must_use = "nothing is built before `build`"]
pub struct RedisStoreBuilder {
    topology: Topology,
    namespace: String,
    login: Login,
    sentinel_login: Login,
    client_name: Option<String>,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::Tls>,
    timeout: Duration,
    wait: Option<Wait>,
    announces: bool,
    clock: Arc<dyn Clock>,
}

impl RedisStoreBuilder {
    pub(crate) fn new(topology: Topology) -> Self {
        Self {
            topology,
            namespace: "session".to_owned(),
            login: Login::default(),
            sentinel_login: Login::default(),
            client_name: None,
            #[cfg(feature = "tls")]
            tls: None,
            timeout: Duration::from_millis(500),
            wait: None,
            announces: true,
            clock: Arc::new(SystemClock),
        }
    }

    /// What every key and channel begins with: applications on one server are told apart by it.
    ///
    /// # Default
    ///
    /// `session`. Two applications that leave it at that see each other's sessions, and, where their
    /// cookies have one name, take them for their own.
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = name.into();
        self
    }

    /// Logs in with this password, and as this user if there is one (ACL). Comes before what a
    /// URL says.
    pub fn credentials(mut self, user: Option<&str>, password: impl Into<String>) -> Self {
        self.login.user = user.map(str::to_owned);
        self.login.password = Some(password.into());
        self
    }

    /// Logs in to the Sentinels, which have users and passwords of their own.
    ///
    /// # Default
    ///
    /// No log-in.
    pub fn sentinel_credentials(mut self, user: Option<&str>, password: impl Into<String>) -> Self {
        self.sentinel_login.user = user.map(str::to_owned);
        self.sentinel_login.password = Some(password.into());
        self
    }

    /// Uses the database of this number. A Cluster has none but 0.
    ///
    /// # Default
    ///
    /// What a URL says, else 0.
    pub fn database(mut self, number: i64) -> Self {
        self.login.database = Some(number);
        self
    }

    /// Names the connections, for `CLIENT LIST` on the server.
    ///
    /// # Default
    ///
    /// No name.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = Some(name.into());
        self
    }

    /// Encrypts every connection, also those to Sentinels and to the nodes of a Cluster.
    ///
    /// # Default
    ///
    /// TLS with the roots of the operating system for `rediss://`, else none.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn tls(mut self, tls: crate::tls::Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// How long an operation may take in all, with everything that is tried on the way:
    /// connecting, asking the Sentinels for the master, being sent on by a Cluster. One that
    /// [waits](Self::wait) for replicas may take that much longer.
    ///
    /// # Default
    ///
    /// 500 ms.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Acknowledges a log-in, a rotation or a log-out only when that many replicas have it
    /// (`WAIT`): a failover right afterwards, to one of them, does not undo it. If they do not within
    /// `timeout`, the call fails with [`NotReplicated`](session_core::ErrorKind::NotReplicated): the primary has
    /// executed it. A client is told of the failure, and given its new token.
    ///
    /// # Default
    ///
    /// The primary's word is enough.
    ///
    /// # Performance impact
    ///
    /// These calls take a round trip more, and as long as the replicas do. They have connections
    /// of their own, eight to each primary, since one that waits holds up what is behind it.
    pub fn wait(mut self, replicas: u32, timeout: Duration) -> Self {
        self.wait = Some(Wait { replicas, timeout });
        self
    }

    /// Announces nothing: no cache on any node hears of what is changed here, so none may be in
    /// front of this namespace. The store then has no backplane.
    ///
    /// # Default
    ///
    /// Every change is announced, in the step that makes it, whether or not somebody listens.
    ///
    /// # Performance impact
    ///
    /// Announcing costs the server about a microsecond for each write; a Cluster sends each
    /// announcement to all of its nodes.
    pub fn without_announcements(mut self) -> Self {
        self.announces = false;
        self
    }

    /// Judges deadlines by this clock.
    ///
    /// # Default
    ///
    /// [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The store. Nothing is connected yet: servers that cannot be reached are not found out
    /// here, but by the first call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](session_core::ErrorKind::Misconfigured) for settings that
    /// cannot be right, alone or together.
    pub fn build(self) -> Result<RedisStore, Error> {
        let namespace = Namespace::parse(&self.namespace)?;
        self.check()?;
        let login = Login {
            user: self.login.user.clone().or(self.topology.login.user.clone()),
            password: self.login.password.clone().or(self.topology.login.password.clone()),
            database: self.login.database.or(self.topology.login.database),
        };
        let connector = Connector {
            login,
            client_name: self.client_name.clone(),
            #[cfg(feature = "tls")]
            tls: self.tls_config()?,
            // Opening takes several round trips, some of them by way of the Sentinels.
            timeout: self.timeout.max(Duration::from_millis(500)),
        };
        let sentinel_connector =
            Connector { login: self.sentinel_login.clone(), ..connector.clone() };
        let servers = Servers::new(self.topology.servers, connector, sentinel_connector);
        Ok(RedisStore::from_state(State {
            client: Client { servers, timeout: self.timeout },
            names: Names::new(namespace),
            clock: self.clock,
            wait: self.wait,
            announces: self.announces,
        }))
    }

    fn check(&self) -> Result<(), Error> {
        let database = self.login.database.or(self.topology.login.database).unwrap_or(0);
        if database < 0 {
            let reason = "databases are numbered from 0";
            return Err(Error::misconfigured("database", database, reason));
        }
        if database != 0 && matches!(self.topology.servers, ServerList::Cluster { .. }) {
            let reason = "a Cluster has no database but 0";
            return Err(Error::misconfigured("database", database, reason));
        }
        check_timeout("timeout", self.timeout)?;
        let (own, of_url) = (&self.login, &self.topology.login);
        let has_user = own.user.is_some() || of_url.user.is_some();
        if has_user && own.password.is_none() && of_url.password.is_none() {
            let reason = "a user without a password cannot be logged in";
            return Err(Error::misconfigured("user", "(not shown)", reason));
        }
        match self.wait {
            Some(Wait { replicas: 0, .. }) => {
                let reason = "to wait for no replica is not to wait: leave it out";
                return Err(Error::misconfigured("wait.replicas", 0, reason));
            }
            // WAIT takes zero for ever.
            Some(Wait { timeout, .. }) => check_timeout("wait.timeout", timeout)?,
            None => {}
        }
        let is_clean = |name: &String| name.bytes().all(|byte| byte.is_ascii_graphic());
        if !self.client_name.as_ref().is_none_or(is_clean) {
            let reason = "a name has no spaces and no special characters";
            return Err(Error::misconfigured("client_name", "(not shown)", reason));
        }
        #[cfg(not(feature = "tls"))]
        if self.topology.tls {
            let reason = "TLS is not compiled in: enable the feature `tls`";
            return Err(Error::misconfigured("url", "rediss://…", reason));
        }
        Ok(())
    }

    #[cfg(feature = "tls")]
    fn tls_config(&self) -> Result<Option<Arc<rustls::ClientConfig>>, Error> {
        match &self.tls {
            Some(tls) => tls.config().map(Some),
            None if self.topology.tls => crate::tls::Tls::new().config().map(Some),
            None => Ok(None),
        }
    }
}

fn check_timeout(field: &'static str, timeout: Duration) -> Result<(), Error> {
    let possible = Duration::from_millis(1)..=Duration::from_secs(3_600);
    if possible.contains(&timeout) {
        return Ok(());
    }
    let reason = "it is a millisecond at least, and an hour at most";
    Err(Error::misconfigured(field, format_args!("{timeout:?}"), reason))
}
