//! Sessions composed from a TOML file and the environment.
//!
//! ```
//! let text = r#"
//!     [session]
//!     store = "main"
//!     idle_timeout = "30m"
//!     absolute_timeout = "12h"
//!     cookie = { name = "id", secure = false, same_site = "lax" }
//!
//!     [stores.main]
//!     kind = "memory"
//!     max_sessions = 1000000
//! "#;
//! # #[cfg(feature = "memory")] {
//! let sessions = session_kit::config::Config::parse(text, "session.toml", [])?.build()?;
//! # }
//! # Ok::<(), session_kit::Error>(())
//! ```
//!
//! - Durations are written `"250ms"`, `"30m"`, `"12h"`; sizes `"64MiB"`.
//! - `${NAME}` in a text is taken from the environment. A number or a boolean may be a text, too.
//! - Any setting can be overridden by an environment variable: `SESSION__` and the path in upper
//!   case, joined by two underscores, as in `SESSION__SESSION__IDLE_TIMEOUT=5m` or
//!   `SESSION__STORES__MAIN__MAX_SESSIONS=1000`. Its value is taken as it is.
//! - What only code can say, an observer or another clock, [`Config::adjust`] adds.
//!
//! While the application runs a file may be read again: [`Config::reload`] replaces the policy of its
//! `[session]`, without dropping a request.
//!
//! Whatever cannot be right stops the start with the file, the line or the variable, the setting, its
//! value unless that may be a secret, the reason, and what was probably meant:
//!
//! ```text
//! misconfigured: unknown field `idel_timeout`; did you mean `idle_timeout`? (field: session.idel_timeout, line: 3, file: session.toml)
//! ```
//!
//! A server that is out of reach does not: sessions are built all the same, and work as soon as it
//! is there.
//!
//! Kinds of store and codecs of somebody else are named like ours, once they are in a [`Registry`].
//!
//! With the feature `config-schema`, `Registry::schema` tells what can be written as a JSON Schema.
//! The one of all kinds of session-kit is `session-kit.schema.json` in its repository: with its
//! place in a line `#:schema …` at the top of a file, editors complete and check what is written.
//!
//! # `[session]`
//!
//! | key | default | what it says, and what it costs |
//! |---|---|---|
//! | `store` | the only store | the name of a store under `[stores]` |
//! | `namespace` | the cookie's name | what keeps kinds of session apart, in keys and in what is sealed |
//! | `idle_timeout`, `absolute_timeout` | `"30m"`, `"12h"` | how long a session lives unused, and at most |
//! | `touch_after` | `0.1` | after which part of the idle timeout use is written down: at most one write for that long |
//! | `max_payload` | `"256KiB"` | the most that a session may hold |
//! | `session_limit` | none | `{ sessions = 5, over = "evict-oldest" }` or `over = "refuse"`: how many sessions a subject may have. A log-in lists them: two round trips more, twice that with `refuse` |
//! | `codec` | `"json"` | or `"msgpack"`, `"cbor"`, or one that is [registered](Registry::codec) |
//! | `compress` | none | `{ over = "1KiB" }`: from which size on |
//! | `encrypt` | none | `{ keys = ["base64:…"] }`: the first key seals, all open |
//! | `max_attempts` | `1000` | how often a save is tried while other processes keep writing to the same session |
//! | `caching` | `"no-store"` | what responses that used a session say to caches; or `"no-cache-set-cookie"`, for pages that caches may keep but for the cookie |
//! | `header` | none | in place of a cookie: `{ name = "x-session" }`, or `{ scheme = "bearer" }` for `Authorization: Bearer`; `response` names the header of the answer, by default `name` or `session-token` |
//! | `cookie` | `__Host-session`, `Secure`, `HttpOnly`, `SameSite=Lax` | `{ name, path, domain, secure, http_only, same_site = "strict" / "lax" / "none", lifetime = "remembered" / "browser" / "persistent", partitioned, sign = { keys }, encrypt = { keys } }` |
//!
//! # `kind = "memory"`
//!
//! | key | default | |
//! |---|---|---|
//! | `max_sessions` | `1000000` | more are refused |
//! | `max_bytes` | `"512MiB"` | as many bytes of sessions at most |
//! | `sweep_every` | `"1m"` | how often those that have ended are removed |
//!
//! # `kind = "redis"`
//!
//! Needs the feature `redis`, and `redis-tls` for TLS.
//!
//! ```
//! let text = r#"
//!     [session]
//!     store = "main"
//!
//!     [stores.main]
//!     kind = "redis"
//!     url = "${REDIS_URL}"                             # rediss:// for TLS
//!     ## sentinel = { nodes = ["10.0.0.1:26379", "10.0.0.2:26379"], master = "mymaster" }
//!     ## cluster = { nodes = ["10.0.0.1:7000", "10.0.0.2:7000"] }
//!     namespace = "portal"
//!     timeout = "500ms"
//!     wait = { replicas = 1, timeout = "100ms" }
//! "#;
//! # #[cfg(feature = "redis")] {
//! let environment = [("REDIS_URL".to_owned(), "redis://app:secret@10.0.0.1:6379/0".to_owned())];
//! let sessions = session_kit::config::Config::parse(text, "session.toml", environment)?.build()?;
//! # }
//! # Ok::<(), session_kit::Error>(())
//! ```
//!
//! | key | default | what it says, and what it costs |
//! |---|---|---|
//! | `url` | | one server: `redis://[[user]:password@]host[:port][/database]`, `rediss://…` for TLS, `redis+unix:///path`. This, `sentinel` or `cluster`, and only one of them |
//! | `sentinel` | | the master that these Sentinels know by this name: `{ nodes = ["host:port", …], master = "mymaster" }` |
//! | `cluster` | | the Cluster of these nodes, of which one that answers is enough: `{ nodes = ["host:port", …] }` |
//! | `namespace` | `"session"` | what every key and channel begins with: applications on one server are told apart by it |
//! | `timeout` | `"500ms"` | the most that one operation may take, with all that is tried on the way; a request may need two or three |
//! | `wait` | none | `{ replicas = 1, timeout = "100ms" }`: a log-in, rotation or log-out is acknowledged when that many replicas have it, and fails if they do not in time, although the primary has done it (the client is given its new token). Such a call takes as long as the replicas do, at most `timeout` longer |
//! | `user`, `password` | the URL's | to log in with; the user needs a password, the password no user |
//! | `database` | the URL's, else `0` | a Cluster has no other than 0 |
//! | `client_name` | none | the connections' name in `CLIENT LIST` |
//! | `sentinel_user`, `sentinel_password` | none | to log in to the Sentinels, which have users of their own |
//! | `tls` | none; for `rediss://` the roots of the operating system | `{ roots = "ca.pem", certificate = "client.pem", key = "client.key" }`, paths of PEM files: the authorities to trust instead, and what to show to a server that asks for it. `{}` is TLS with neither. Read once, at the start. A handshake for each connection, of which there are few |
//! | `announcements` | `true` | whether every change is announced to the caches of all nodes: about a microsecond of the server for each write, more in a Cluster. Without, nothing may be cached in front of this namespace |
//!
//! # `kind = "sql"`
//!
//! The scheme of the URL picks the database, and each needs its feature: `postgres`, `mysql` (MariaDB, too) or
//! `sqlite`; TLS needs `sql-tls`.
//!
//! ```
//! let text = r#"
//!     [session]
//!     store = "main"
//!
//!     [stores.main]
//!     kind = "sql"
//!     url = "sqlite://sessions.db"                     # postgres://… mysql://…
//!     migrate = true
//!     sweep_every = "1m"
//! "#;
//! # #[cfg(feature = "sqlite")] {
//! let sessions = session_kit::config::Config::parse(text, "session.toml", [])?.build()?;
//! # }
//! # Ok::<(), session_kit::Error>(())
//! ```
//!
//! | key | default | what it says, and what it costs |
//! |---|---|---|
//! | `url` | | `postgres://user:password@host:port/database`, `mysql://…`, `sqlite://path`; with `?sslmode=verify-full` or `?ssl-mode=VERIFY_IDENTITY` by TLS |
//! | `table` | `"sessions"` | `"name"` or `"schema.name"`: applications in one database are told apart by it |
//! | `migrate` | `false` | makes the tables before the first call, or brings them up to date; any number of nodes may say so. Without, they are there, made by `SqlStore::migrate` or from the statements that `Database::migrations` prints |
//! | `sweep_every` | `"1m"` | how often the rows of sessions that have ended are removed, a thousand by a statement; `"1s"` to `"1d"`, or `"never"`: somebody else does so, or the table grows for ever |
//! | `timeout` | `"500ms"` | the most that one operation may take, the wait for a connection and all that is tried on the way included; a request may need two or three |
//! | `max_connections` | `10` | of this process; on PostgreSQL each is a process of the server. For SQLite those that read, besides one that writes |
//! | `announcements` | `true` on PostgreSQL | whether every change is announced to the caches of all nodes. Commits that announce are made one after the other. Without, nothing may be cached in front of this table. MySQL and SQLite cannot |
//! | `through_transaction_pooler` | `false` | for PgBouncer with `pool_mode = transaction`, or its likes: no statement is prepared for longer than a transaction, and an operation takes four round trips |
//! | `listen_at` | `url` | the PostgreSQL server itself, where `url` is a pooler's: a cache in front listens there |
//!
//! # `kind = "layered"`
//!
//! A cache on this node in front of another store, which must be one that announces its changes:
//! `redis`, `sql` on PostgreSQL, or for tests `memory`. Needs the feature `layered`.
//!
//! ```
//! let text = r#"
//!     [session]
//!     store = "front"
//!
//!     [stores.front]
//!     kind = "layered"
//!     shared = "redis"
//!     local = { max_bytes = "64MiB", ttl = "30s" }
//!     max_staleness = "2s"
//!
//!     [stores.redis]
//!     kind = "redis"
//!     url = "${REDIS_URL}"
//!     namespace = "portal"
//! "#;
//! # #[cfg(all(feature = "layered", feature = "redis"))] {
//! let environment = [("REDIS_URL".to_owned(), "redis://10.0.0.1:6379".to_owned())];
//! let sessions = session_kit::config::Config::parse(text, "session.toml", environment)?.build()?;
//! # }
//! # Ok::<(), session_kit::Error>(())
//! ```
//!
//! | key | default | what it says, and what it costs |
//! |---|---|---|
//! | `shared` | | the name of the store that all nodes share, under `[stores]` |
//! | `local` | `{ max_bytes = "64MiB", ttl = "30s" }` | how much memory the cache may take, about 1.1 KB for a session besides what it holds; and for how long a session stays in it. `ttl` frees memory and has nothing to do with staleness; it is no more than `session.absolute_timeout` |
//! | `max_staleness` | `"2s"` | how long after a change was acknowledged a node may at most serve what was before, whatever fails; `"20ms"` to `"1m"`. Four echoes in that time through each primary, a script and a message each; a node that hears no announcements asks the shared store after that long |
//! | `stale_if_error` | `"0s"` | for how much longer a node that cannot reach the shared store may serve what it has cached: it does not know of log-outs that others may have been acknowledged. At most `"1d"` |

// What is read, and what becomes of it.
mod context;
mod registry;
mod reload;
mod session;
mod units;

// The kinds of store there are.
mod built_in;
#[cfg(feature = "layered")]
mod layered;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod sql;

// What helps to read, and to tell what is wrong.
mod environment;
mod observe;
mod places;
mod reading;
mod refusal;
#[cfg(feature = "config-schema")]
mod schema;
mod secrets;
mod suggest;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use session_core::{Error, ErrorKind, Sessions, SessionsBuilder};
use toml::{Table, Value};

pub use self::context::Context;
use self::places::{Places, line_of};
use self::registry::Build;
pub use self::registry::Registry;
use self::session::SessionSettings;
use self::suggest::Suggestion;
pub use self::units::{Period, Size};

/// A configuration that has been read: well-formed, and every setting known.
pub struct Config {
    origin: String,
    places: Places,
    registry: Registry,
    session: SessionSettings,
    stores: BTreeMap<String, Configured>,
    adjust: Adjust,
    #[cfg(feature = "opentelemetry")]
    meter: Option<opentelemetry::metrics::Meter>,
}

/// What code has to say of the sessions besides.
type Adjust = Arc<dyn Fn(SessionsBuilder) -> SessionsBuilder + Send + Sync>;

/// A store whose settings have been read.
struct Configured {
    kind: String,
    settings: Table,
    build: Build,
}

impl Config {
    /// Reads a file, with the environment of this process.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] if there is no such file, and as [`parse`](Config::parse).
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        Registry::new().load(path)
    }

    /// Reads a text, with the environment given. `origin` says in errors where the text is from.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] if the text is no TOML, a setting is unknown or missing, or a
    /// variable that the text refers to is not set.
    pub fn parse(
        text: &str,
        origin: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        Registry::new().parse(text, origin, environment)
    }

    fn read(
        registry: &Registry,
        text: &str,
        origin: &str,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let document = Document::of(text, environment);
        let read = document.and_then(|Document { settings, places }| {
            match Sections::read(registry, settings) {
                Ok(sections) => Ok((sections, places)),
                Err(error) => Err(places.locate(error)),
            }
        });
        let (Sections { session, stores }, places) =
            read.map_err(|error| error.with("file", origin))?;
        Ok(Self {
            origin: origin.to_owned(),
            places,
            registry: registry.clone(),
            session,
            stores,
            adjust: Arc::new(|builder| builder),
            #[cfg(feature = "opentelemetry")]
            meter: None,
        })
    }

    /// Has code say what a file cannot: an [`Observer`](crate::Observer), another clock. It has the
    /// last word, when the sessions are built and at each [`reload`](Config::reload).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use session_kit::config::Config;
    /// use session_kit::{Observer, SessionEvent};
    ///
    /// #[derive(Debug)]
    /// struct Audit;
    ///
    /// impl Observer for Audit {
    ///     fn observe(&self, event: SessionEvent) {
    ///         println!("{event:?}");
    ///     }
    /// }
    ///
    /// # #[cfg(feature = "memory")] {
    /// let text = "
    ///     [session]
    ///     store = 'main'
    ///     [stores.main]
    ///     kind = 'memory'
    /// ";
    /// let config = Config::parse(text, "session.toml", [])?;
    /// let sessions = config.adjust(|builder| builder.observer(Arc::new(Audit))).build()?;
    /// # }
    /// # Ok::<(), session_kit::Error>(())
    /// ```
    ///
    /// # Default
    ///
    /// The file says everything.
    #[must_use]
    pub fn adjust(
        mut self,
        adjust: impl Fn(SessionsBuilder) -> SessionsBuilder + Send + Sync + 'static,
    ) -> Self {
        self.adjust = Arc::new(adjust);
        self
    }

    /// Has every store and the sessions report what they do, by the instruments and spans that
    /// [`observe`](crate::observe) lists. A store is named by its kind.
    ///
    /// # Default
    ///
    /// They report nothing.
    ///
    /// # Performance impact
    ///
    /// One to two microseconds for a request that uses its session, most of it for looking up the
    /// instruments' attributes.
    #[cfg(feature = "opentelemetry")]
    #[must_use]
    pub fn meter(mut self, meter: opentelemetry::metrics::Meter) -> Self {
        self.meter = Some(meter);
        self
    }

    /// The sessions as configured. A store that is out of reach is no error: it is built all the
    /// same, and answers once it is there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] for settings that contradict each other or cannot be right,
    /// and for what needs a feature that is not compiled in.
    pub fn build(&self) -> Result<Sessions, Error> {
        self.compose().map_err(|error| self.places.locate(error).with("file", &self.origin))
    }

    /// The name of the store that sessions are in.
    fn store(&self) -> Result<&str, Error> {
        if let Some(name) = self.session.store() {
            return Ok(name);
        }
        let names: Vec<&str> = self.stores.keys().map(String::as_str).collect();
        let (field, reason) = match *names {
            [name] => return Ok(name),
            [] => ("stores", "there is no store".to_owned()),
            _ => {
                let names = names.join(", ");
                ("session.store", format!("which of the stores is it? There are: {names}"))
            }
        };
        Err(Error::new(ErrorKind::Misconfigured, reason).with("field", field))
    }

    fn compose(&self) -> Result<Sessions, Error> {
        let mut stores = Context::of(self, self.session.timeouts()?);
        let store = stores.named(self.store()?, "session.store")?;
        stores.build_all()?;
        let builder = self.watched(Sessions::builder_shared(store));
        let builder = self.session.apply(builder, &self.registry)?;
        (self.adjust)(builder).build().map_err(|error| error.within("session"))
    }
}

/// The names of stores, and their kinds: settings hold passwords, in wrong places too.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: BTreeMap<&str, &str> =
            self.stores.iter().map(|(name, store)| (&**name, &*store.kind)).collect();
        f.debug_struct("Config")
            .field("origin", &self.origin)
            .field("stores", &kinds)
            .finish_non_exhaustive()
    }
}

/// A file with what the environment has to say, and where each setting is from.
struct Document {
    settings: Table,
    places: Places,
}

impl Document {
    fn of(text: &str, environment: &BTreeMap<String, String>) -> Result<Self, Error> {
        let no_toml = |error: toml::de::Error| {
            let line = line_of(text, error.span().map_or(0, |span| span.start));
            Error::new(ErrorKind::Misconfigured, format!("not TOML: {}", error.message()))
                .with("line", line)
        };
        let mut settings: Table = text.parse().map_err(no_toml)?;
        let mut places = Places::of(text).map_err(no_toml)?;
        environment::override_settings(&mut settings, &mut places, environment)?;
        match environment::fill_in(&mut settings, &places, environment) {
            Ok(()) => Ok(Self { settings, places }),
            Err(error) => Err(places.locate(error)),
        }
    }
}

struct Sections {
    session: SessionSettings,
    stores: BTreeMap<String, Configured>,
}

impl Sections {
    fn read(registry: &Registry, mut document: Table) -> Result<Self, Error> {
        // Every setting of a session has a default.
        let session = match document.contains_key("session") {
            true => section(&mut document, "session"),
            false => Ok(Table::new()),
        };
        let stores = section(&mut document, "stores");
        // Before one is missing that is misspelt.
        if let Some(name) = document.keys().next() {
            let suggestion = Suggestion::new(name, ["session", "stores"]);
            let reason = format!("there is no such section; {suggestion}");
            return Err(Error::new(ErrorKind::Misconfigured, reason).with("field", name));
        }
        let session = reading::read("session", session?)?;
        let stores = stores?.into_iter().map(|(name, section)| {
            let configured = registry.read_store(&format!("stores.{name}"), section)?;
            Ok((name, configured))
        });
        Ok(Self { session, stores: stores.collect::<Result<_, Error>>()? })
    }
}

fn section(document: &mut Table, name: &'static str) -> Result<Table, Error> {
    let reason = match document.remove(name) {
        Some(Value::Table(table)) => return Ok(table),
        Some(other) => format!("this is a section, not a {}", other.type_str()),
        None => format!("the section `[{name}]` is missing"),
    };
    Err(Error::new(ErrorKind::Misconfigured, reason).with("field", name))
}

#[cfg(test)]
#[cfg(feature = "memory")]
mod tests;
