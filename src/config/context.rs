//! Stores composed by name: one may stand in front of another.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use session_core::{Error, ErrorKind, Store, Timeouts};

use super::Config;
use super::registry::with_name;
use super::suggest::Suggestion;

/// What a kind of store may ask for while one is built: other stores by their names, and what the
/// configuration says of all sessions.
///
/// A store that stands in front of another one has that one's name among its settings:
///
/// ```
/// use std::sync::Arc;
///
/// use serde::Deserialize;
/// use session_kit::config::{Context, Registry};
/// use session_kit::{Error, Store};
///
/// #[derive(Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct AliasSettings {
///     of: String,
/// }
///
/// impl AliasSettings {
///     fn build(&self, context: &mut Context<'_>) -> Result<Arc<dyn Store>, Error> {
///         context.store("of", &self.of)
///     }
/// }
///
/// let text = r#"
///     [session]
///     store = "a"
///     [stores.a]
///     kind = "alias"
///     of = "b"
///     [stores.b]
///     kind = "alias"
///     of = "a"
/// "#;
/// let registry = Registry::new().kind("alias", AliasSettings::build);
/// let error = registry.parse(text, "session.toml", [])?.build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "misconfigured: a store cannot be in front of itself: a -> b -> a \
///      (field: stores.a.of, value: \"b\", line: 6, file: session.toml)"
/// );
/// # Ok::<(), Error>(())
/// ```
pub struct Context<'a> {
    config: &'a Config,
    timeouts: Timeouts,
    built: BTreeMap<&'a str, Built>,
    /// Those that are being built, the outermost first: each waits for the one behind it.
    waiting: Vec<Waiting<'a>>,
    /// Why the store could not be built that the innermost of them asked for.
    failure: Option<Error>,
}

struct Built {
    store: Arc<dyn Store>,
    why_no_backplane: Option<String>,
}

struct Waiting<'a> {
    name: &'a str,
    /// The setting that names the store it waits for.
    field: String,
    why_no_backplane: Option<String>,
}

impl<'a> Context<'a> {
    pub(super) fn of(config: &'a Config, timeouts: Timeouts) -> Self {
        Self { config, timeouts, built: BTreeMap::new(), waiting: Vec::new(), failure: None }
    }

    /// The name of the store that is being built, as in `[stores.NAME]`.
    pub fn name(&self) -> &str {
        self.waiting.last().map_or("", |waiting| waiting.name)
    }

    /// The store called `name`, which is what this store's setting `field` says. It is built
    /// unless it is there already: all who name it share one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] if there is no such store, if it would stand in front of
    /// itself, or if it cannot be built. Hand it on as it is: it names the setting that is wrong,
    /// and is what the configuration is refused with.
    pub fn store(&mut self, field: &str, name: &str) -> Result<Arc<dyn Store>, Error> {
        let path = format!("stores.{}.{field}", self.name());
        if let Some(waiting) = self.waiting.last_mut() {
            waiting.field = path.clone();
        }
        let found = self.named(name, &path);
        if let Err(error) = &found {
            self.failure = Some(error.clone());
        }
        found
    }

    /// Of which kind the store called `name` is, if there is one.
    pub fn kind_of(&self, name: &str) -> Option<&str> {
        self.config.stores.get(name).map(|store| &*store.kind)
    }

    /// Says why the store that is being built has no [backplane](Store::backplane), for whoever
    /// wants to stand in front of it: in words that name the setting to change.
    pub fn no_backplane_because(&mut self, reason: impl Into<String>) {
        if let Some(waiting) = self.waiting.last_mut() {
            waiting.why_no_backplane = Some(reason.into());
        }
    }

    /// Why the store called `name`, which has been asked for, has no backplane, if it said so.
    pub fn why_no_backplane(&self, name: &str) -> Option<&str> {
        self.built.get(name)?.why_no_backplane.as_deref()
    }

    /// How long sessions live that have no timeouts of their own.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Where to report metrics to, if [anywhere](Config::meter).
    #[cfg(feature = "opentelemetry")]
    pub fn meter(&self) -> Option<&opentelemetry::metrics::Meter> {
        self.config.meter.as_ref()
    }

    /// The store of this name, which is the value of the setting at `path`.
    pub(super) fn named(&mut self, name: &str, path: &str) -> Result<Arc<dyn Store>, Error> {
        if let Some(built) = self.built.get(name) {
            return Ok(Arc::clone(&built.store));
        }
        let stores = &self.config.stores;
        let Some((name, store)) = stores.get_key_value(name) else {
            let suggestion = Suggestion::new(name, stores.keys().map(String::as_str));
            let reason = format!("there is no such store; {suggestion}");
            let error = Error::new(ErrorKind::Misconfigured, reason).with("field", path);
            return Err(with_name(error, name));
        };
        if let Some(begin) = self.waiting.iter().position(|waiting| waiting.name == name) {
            return Err(circle(&self.waiting[begin..]));
        }
        self.waiting.push(Waiting { name, field: String::new(), why_no_backplane: None });
        let result = (store.build)(self);
        let why_no_backplane = self.waiting.pop().and_then(|waiting| waiting.why_no_backplane);
        let failure = self.failure.take();
        let built = result.map_err(|error| failure.unwrap_or_else(|| of_store(name, error)))?;
        let store = self.config.observed(&self.config.stores[name].kind, built);
        let built = Built { store: Arc::clone(&store), why_no_backplane };
        self.built.insert(name, built);
        Ok(store)
    }

    /// Builds those too that nothing names, so that no mistake waits for the day on which a store
    /// is used.
    pub(super) fn build_all(&mut self) -> Result<(), Error> {
        for name in self.config.stores.keys() {
            self.named(name, "stores")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Each of these names the next one, and the last the first.
fn circle(waiting: &[Waiting<'_>]) -> Error {
    let first = &waiting[0];
    let second = waiting.get(1).unwrap_or(first);
    let circle: Vec<&str> = waiting.iter().chain([first]).map(|waiting| waiting.name).collect();
    let reason = format!("a store cannot be in front of itself: {}", circle.join(" -> "));
    Error::new(ErrorKind::Misconfigured, reason)
        .with("field", &first.field)
        .with("value", format_args!("{:?}", second.name))
}

/// Says which store an error is about, if it does not say which setting.
fn of_store(name: &str, error: Error) -> Error {
    let section = format!("stores.{name}");
    match error.context("field") {
        Some(_) => error.within(&section),
        None => error.with("field", section),
    }
}
