//! Where Redis is.

use std::fmt;
use std::path::PathBuf;

use redis::{ConnectionAddr, IntoConnectionInfo as _};
use session_core::Error;

/// One server, a master that Sentinels watch over, or a Cluster.
///
/// Parsing reaches no server: one that does not answer is found out by the first call, and looked
/// for until it does.
///
/// ```
/// use session_redis::Topology;
///
/// Topology::single("redis://shop:secret@redis.internal:6379/0")?;
/// Topology::sentinel(["10.0.0.1:26379", "10.0.0.2:26379", "10.0.0.3:26379"], "mymaster")?;
/// Topology::cluster(["10.0.0.1:7000", "10.0.0.2:7000"])?;
/// # Ok::<(), session_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Topology {
    pub(crate) servers: ServerList,
    /// What a URL said beside the address.
    pub(crate) login: Login,
    pub(crate) tls: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum ServerList {
    Single(Endpoint),
    Sentinel { nodes: Vec<Endpoint>, master: String },
    Cluster { nodes: Vec<Endpoint> },
}

/// As whom, and in which database.
#[derive(Clone, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: Option<i64>,
}

impl Topology {
    /// One server, by its URL: `redis://[[user]:password@]host[:port][/database]`, `rediss://…`
    /// for TLS, or `redis+unix:///path[?db=…&user=…&pass=…]`.
    ///
    /// A host name is looked up again for each connection, so the name of a managed service that
    /// moves with its primary will do.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](session_core::ErrorKind::Misconfigured) if it is no such URL.
    /// The URL is not shown, since it may hold a password.
    pub fn single(url: &str) -> Result<Self, Error> {
        let (url, tls) = match url.split_once("://") {
            // The connection is made here and not by the driver, which need not know of TLS.
            Some(("rediss" | "valkeys", rest)) => (format!("redis://{rest}"), true),
            _ => (url.to_owned(), false),
        };
        if tls && url.contains('#') {
            return Err(unusable_url("a TLS connection checks the server's certificate, always"));
        }
        let info = url.as_str().into_connection_info().map_err(|error| {
            // The driver's description is a fixed text; its details may quote the URL.
            let reason = if error.to_string().contains("database") {
                "the path after the host is the number of a database, such as `/0`"
            } else {
                "it is not of the form redis://[[user]:password@]host[:port][/database], \
                 rediss://… or redis+unix:///path"
            };
            unusable_url(reason)
        })?;
        let endpoint = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Endpoint::Tcp(host.clone(), *port),
            ConnectionAddr::Unix(path) => Endpoint::Unix(path.clone()),
            _ => return Err(unusable_url("this kind of address is not supported")),
        };
        let settings = info.redis_settings();
        let login = Login {
            user: settings.username().map(str::to_owned),
            password: settings.password().map(str::to_owned),
            database: Some(settings.db()),
        };
        Ok(Self { servers: ServerList::Single(endpoint), login, tls })
    }

    /// The master of this name, and its replicas, as the Sentinels at these addresses
    /// (`host:port`) know them. They are asked before every connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](session_core::ErrorKind::Misconfigured) if an address is not
    /// `host:port`, or there is none, or the name is empty.
    pub fn sentinel<N: AsRef<str>>(
        nodes: impl IntoIterator<Item = N>,
        master: &str,
    ) -> Result<Self, Error> {
        if master.is_empty() {
            let reason = "the name under which the Sentinels know the master is missing";
            return Err(Error::misconfigured("sentinel.master", "\"\"", reason));
        }
        let nodes = endpoints("sentinel.nodes", nodes)?;
        let servers = ServerList::Sentinel { nodes, master: master.to_owned() };
        Ok(Self { servers, login: Login::default(), tls: false })
    }

    /// The Cluster that the nodes at these addresses (`host:port`) belong to. Any of its nodes
    /// will do; the others are learned from it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](session_core::ErrorKind::Misconfigured) if an address is not
    /// `host:port`, or there is none.
    pub fn cluster<N: AsRef<str>>(nodes: impl IntoIterator<Item = N>) -> Result<Self, Error> {
        let nodes = endpoints("cluster.nodes", nodes)?;
        let servers = ServerList::Cluster { nodes };
        Ok(Self { servers, login: Login::default(), tls: false })
    }
}

/// Who and where, but not the password.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, password, database } = self;
        f.debug_struct("Login")
            .field("user", user)
            .field("password", &password.as_ref().map(|_| "(hidden)"))
            .field("database", database)
            .finish()
    }
}

/// Where one server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl Endpoint {
    /// Reads `host:port`, with an IPv6 address in brackets or, as Cluster nodes write it, without.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_clean = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_clean) {
            return None;
        }
        let port = port.parse().ok().filter(|&port| port != 0)?;
        Some(Self::Tcp(host.to_owned(), port))
    }

    /// The host name or address, which a certificate is checked against.
    pub(crate) fn host(&self) -> Option<&str> {
        match self {
            Self::Tcp(host, _) => Some(host),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

fn endpoints<N: AsRef<str>>(
    field: &'static str,
    nodes: impl IntoIterator<Item = N>,
) -> Result<Vec<Endpoint>, Error> {
    let parse = |node: N| {
        Endpoint::parse(node.as_ref()).ok_or_else(|| {
            // Not shown: who mistakes this for the place of a URL may have put a password there.
            let reason = "an address is host:port, such as 10.0.0.1:6379; user, password and TLS \
                          are settings of their own";
            Error::misconfigured(field, "(not shown)", reason)
        })
    };
    let nodes: Vec<Endpoint> = nodes.into_iter().map(parse).collect::<Result<_, _>>()?;
    if nodes.is_empty() {
        return Err(Error::misconfigured(field, "[]", "one address is needed at least"));
    }
    Ok(nodes)
}

fn unusable_url(reason: &str) -> Error {
    Error::misconfigured("url", "(not shown)", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_as_whom_and_how() {
        let topology = Topology::single("rediss://shop:p%40ss@redis.internal:6380/3").unwrap();
        let endpoint = Endpoint::Tcp("redis.internal".to_owned(), 6380);
        assert!(matches!(topology.servers, ServerList::Single(at) if at == endpoint));
        assert!(topology.tls);
        assert_eq!(topology.login.user.as_deref(), Some("shop"));
        assert_eq!(topology.login.password.as_deref(), Some("p@ss"));
        assert_eq!(topology.login.database, Some(3));

        let topology = Topology::single("redis+unix:///run/redis.sock?db=2").unwrap();
        let socket = Endpoint::Unix("/run/redis.sock".into());
        assert!(matches!(topology.servers, ServerList::Single(at) if at == socket));
    }

    #[test]
    fn a_url_that_cannot_be_right_is_refused_without_showing_it() {
        for url in [
            "",
            "hunter2",
            "http://:hunter2@host",
            "redis://",
            "redis://:hunter2@host/many",
            "redis://:hunter2@host:notaport",
            "rediss://:hunter2@host#insecure",
            "redis://:hunter2@0.0.0.0",
        ] {
            let error = Topology::single(url).unwrap_err();
            assert_eq!(error.context("field"), Some("url"), "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        let error = Topology::single("redis://host/many").unwrap_err();
        assert!(error.to_string().contains("number of a database"), "{error}");
    }

    #[test]
    fn addresses_are_host_and_port() {
        let [v4, v6] = [("10.0.0.1", "10.0.0.1:1"), ("::1", "[::1]:1")];
        for (host, text) in [v4, v6] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(endpoint, Endpoint::Tcp(host.to_owned(), 1));
            assert_eq!(endpoint.to_string(), text);
        }
        for text in ["", "host", "host:", ":1", "host:0", "host:65536", "user:pw@host:1"] {
            assert_eq!(Endpoint::parse(text), None, "{text}");
        }
        let error = Topology::cluster(["redis://:hunter2@host:1"]).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        let none: [&str; 0] = [];
        assert!(Topology::cluster(none).is_err());
        assert!(Topology::sentinel(["host:1"], "").is_err());
    }

    #[test]
    fn debug_hides_the_password() {
        let topology = Topology::single("redis://shop:hunter2@host").unwrap();
        assert!(!format!("{topology:?}").contains("hunter2"));
    }
}
