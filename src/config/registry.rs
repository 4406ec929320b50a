//! Which kinds of store and which codecs a file may name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use session_core::codec::Codec;
use session_core::{Error, ErrorKind, SessionsBuilder, Store};
use toml::{Table, Value};

use super::secrets::looks_secret;
use super::suggest::Suggestion;
use super::{Config, Configured, Context, reading};

/// Which kinds of store and which codecs a configuration may name: those of session-kit, by the
/// features that are on, and any others.
///
/// A kind is a name, a type of settings, and a function from the settings to a store. The settings
/// are read by serde, so that `#[serde(deny_unknown_fields)]`, defaults and so on work, and errors
/// name file, line, setting and value as for the kinds of session-kit. The function gets a
/// [`Context`], by which a store may stand in front of another one.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// use std::sync::Arc;
///
/// use serde::Deserialize;
/// use session_kit::config::{Context, Registry, Size};
/// use session_kit::{Error, MemoryStore, Store};
///
/// /// `[stores.NAME]` of the kind `scratch`.
/// #[derive(Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct ScratchSettings {
///     room: Size,
/// }
///
/// impl ScratchSettings {
///     fn build(&self, _: &mut Context<'_>) -> Result<Arc<dyn Store>, Error> {
///         if self.room.0 < 1024 {
///             return Err(Error::misconfigured("room", self.room.0, "this is too little"));
///         }
///         Ok(Arc::new(MemoryStore::builder().max_bytes(self.room.0).build()?))
///     }
/// }
///
/// let text = r#"
///     [session]
///     store = "main"
///
///     [stores.main]
///     kind = "scratch"
///     room = "16MiB"
/// "#;
/// let registry = Registry::new().kind("scratch", ScratchSettings::build);
/// let sessions = registry.parse(text, "session.toml", [])?.build()?;
///
/// let error = registry.parse(&text.replace("room", "rom"), "session.toml", []).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "misconfigured: unknown field `rom`; did you mean `room`? \
///      (field: stores.main.rom, line: 7, file: session.toml)"
/// );
/// # }
/// # Ok::<(), session_kit::Error>(())
/// ```
///
/// Values are left out of errors where they may be secrets: if the setting is named `url`, `dsn`,
/// `keys` or `nodes`, or has `password`, `secret`, `token` or `credential` in its name, or if it
/// looks like a URL or a key. What a factory itself puts into an error is shown.
#[derive(Clone)]
pub struct Registry {
    pub(super) kinds: BTreeMap<String, Kind>,
    pub(super) codecs: BTreeMap<String, CodecEntry>,
}

/// Makes a store of settings that it has read.
pub(super) type Build =
    Box<dyn Fn(&mut Context<'_>) -> Result<Arc<dyn Store>, Error> + Send + Sync>;

/// Reads a section, and names it in errors.
type Read = dyn Fn(&str, Table) -> Result<Build, Error> + Send + Sync;

#[derive(Clone)]
pub(super) enum Kind {
    Known {
        read: Arc<Read>,
        #[cfg(feature = "config-schema")]
        schema: Option<fn(&mut schemars::SchemaGenerator) -> schemars::Schema>,
    },
    /// Ours, and not compiled in.
    #[allow(dead_code, reason = "with every feature on, nothing is missing")]
    Needs(&'static str),
}

#[derive(Clone)]
pub(super) enum CodecEntry {
    Known {
        codec: Arc<dyn Codec>,
        /// Read by every `Sessions`, configured or not.
        is_built_in: bool,
    },
    #[allow(dead_code, reason = "with every feature on, nothing is missing")]
    Needs(&'static str),
}

impl Registry {
    /// The kinds and codecs of session-kit.
    pub fn new() -> Self {
        let registry = Self { kinds: BTreeMap::new(), codecs: BTreeMap::new() };
        super::built_in::register(registry)
    }

    /// Lets stores be of the kind `name`: `build` makes one of the settings in its section. A kind
    /// that has the name already, one of session-kit's too, gives way.
    ///
    /// Settings are read when the configuration is; `build` is called for each build of it. An
    /// error that names a `field` names one of these settings: the section is added.
    #[must_use]
    pub fn kind<T, F>(mut self, name: impl Into<String>, build: F) -> Self
    where
        T: DeserializeOwned + Send + Sync + 'static,
        F: Fn(&T, &mut Context<'_>) -> Result<Arc<dyn Store>, Error> + Send + Sync + 'static,
    {
        let build = Arc::new(build);
        let read = move |section: &str, table: Table| {
            let (settings, build) = (reading::read::<T>(section, table)?, Arc::clone(&build));
            let build: Build = Box::new(move |context| build(&settings, context));
            Ok(build)
        };
        let kind = Kind::Known {
            read: Arc::new(read),
            #[cfg(feature = "config-schema")]
            schema: None,
        };
        self.kinds.insert(name.into(), kind);
        self
    }

    /// Lets payloads be encoded by `codec = "name"`.
    ///
    /// All codecs that are registered are read, whichever is written, so that sessions survive a
    /// change from one to another. Each needs an [id](Codec::id) of its own.
    #[must_use]
    pub fn codec(mut self, name: impl Into<String>, codec: impl Codec) -> Self {
        let entry = CodecEntry::Known { codec: Arc::new(codec), is_built_in: false };
        self.codecs.insert(name.into(), entry);
        self
    }

    /// As [`Config::load`], with what is registered.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Config, Error> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(ErrorKind::Misconfigured, "this file cannot be read")
                .with("file", path.display())
                .with("reason", &error)
                .with_source(error)
        })?;
        // What is not UTF-8 cannot be meant for a TOML document.
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        self.parse(&text, &path.display().to_string(), environment)
    }

    /// As [`Config::parse`], with what is registered.
    ///
    /// # Errors
    ///
    /// As [`Config::parse`].
    pub fn parse(
        &self,
        text: &str,
        origin: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, Error> {
        Config::read(self, text, origin, &environment.into_iter().collect())
    }

    /// A section, and what makes a store of it.
    pub(super) fn read_store(&self, path: &str, section: Value) -> Result<Configured, Error> {
        let refuse = |reason: String| Error::new(ErrorKind::Misconfigured, reason);
        let Value::Table(mut table) = section else {
            return Err(refuse("a store is a section".into()).with("field", path));
        };
        let field = format!("{path}.kind");
        let names = || self.kinds.keys().map(String::as_str);
        let Some(Value::String(name)) = table.remove("kind") else {
            let known = names().collect::<Vec<_>>().join(", ");
            let reason = format!("a store says of what kind it is; there are: {known}");
            return Err(refuse(reason).with("field", field));
        };
        let reason = match self.kinds.get(&name) {
            Some(Kind::Known { read, .. }) => {
                let build = read(path, table.clone())?;
                return Ok(Configured { kind: name, settings: table, build });
            }
            Some(Kind::Needs(features)) => needed(features),
            None => format!("there is no such kind; {}", Suggestion::new(&name, names())),
        };
        Err(with_name(refuse(reason).with("field", field), &name))
    }

    /// Chooses the codec of this name, and reads the others as well.
    pub(super) fn choose_codec(
        &self,
        name: Option<&str>,
        mut builder: SessionsBuilder,
    ) -> Result<SessionsBuilder, Error> {
        let name = name.unwrap_or(DEFAULT_CODEC);
        let refuse = |reason: String| {
            let error = Error::new(ErrorKind::Misconfigured, reason).with("field", "codec");
            Err(with_name(error, name))
        };
        builder = match self.codecs.get(name) {
            Some(CodecEntry::Known { codec, .. }) => builder.codec_shared(Arc::clone(codec)),
            Some(CodecEntry::Needs(feature)) => return refuse(needed(feature)),
            None => {
                let names = self.codecs.keys().map(String::as_str);
                return refuse(format!("there is no such codec; {}", Suggestion::new(name, names)));
            }
        };
        for (other, entry) in &self.codecs {
            if let CodecEntry::Known { codec, is_built_in: false } = entry
                && other != name
            {
                builder = builder.reading(Arc::clone(codec));
            }
        }
        Ok(builder)
    }

    pub(super) fn built_in_codec(mut self, name: &str, codec: impl Codec) -> Self {
        let entry = CodecEntry::Known { codec: Arc::new(codec), is_built_in: true };
        self.codecs.insert(name.to_owned(), entry);
        self
    }

    #[allow(dead_code, reason = "with every feature on, nothing is missing")]
    pub(super) fn codec_needs(mut self, name: &str, feature: &'static str) -> Self {
        self.codecs.insert(name.to_owned(), CodecEntry::Needs(feature));
        self
    }

    #[allow(dead_code, reason = "with every feature on, nothing is missing")]
    pub(super) fn kind_needs(mut self, name: &str, features: &'static str) -> Self {
        self.kinds.insert(name.to_owned(), Kind::Needs(features));
        self
    }
}

const DEFAULT_CODEC: &str = "json";

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

/// The names.
impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kinds, codecs } = self;
        f.debug_struct("Registry")
            .field("kinds", &kinds.keys())
            .field("codecs", &codecs.keys())
            .finish()
    }
}

/// An address in place of a name is not shown.
pub(super) fn with_name(error: Error, name: &str) -> Error {
    if looks_secret(name) { error } else { error.with("value", format_args!("{name:?}")) }
}

/// `features`, if there are several, with what is between their names.
fn needed(features: &str) -> String {
    format!("this needs the feature {features} of session-kit")
}
