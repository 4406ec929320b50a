//! Stores composed by name: one may stand in front of another.

use std::collections::BTreeMap;
use std::sync::Arc;

use session_core::{Error, ErrorKind, Store};

use super::{Config, looks_secret};

/// The stores of a file, each built once, after the one that it names.
pub(super) struct Stores<'a> {
    pub(super) config: &'a Config,
    built: BTreeMap<&'a str, Arc<dyn Store>>,
    /// Those that wait for the one that they name, the outermost first.
    waiting: Vec<&'a str>,
}

impl<'a> Stores<'a> {
    pub(super) fn of(config: &'a Config) -> Self {
        Self { config, built: BTreeMap::new(), waiting: Vec::new() }
    }

    /// The store of this name, which is the value of `field`.
    pub(super) fn named(&mut self, name: &str, field: &str) -> Result<Arc<dyn Store>, Error> {
        if let Some(store) = self.built.get(name) {
            return Ok(Arc::clone(store));
        }
        let stores = &self.config.stores;
        let Some((name, settings)) = stores.get_key_value(name) else {
            let known: Vec<&str> = stores.keys().map(String::as_str).collect();
            let reason = format!("there is no such store; there are: {}", known.join(", "));
            let error = Error::new(ErrorKind::Misconfigured, reason).with("field", field);
            return Err(match looks_secret(name) {
                true => error,
                false => error.with("value", format_args!("{name:?}")),
            });
        };
        if let Some(begin) = self.waiting.iter().position(|waiting| waiting == name) {
            return Err(circle(&self.waiting[begin..]));
        }
        self.waiting.push(name);
        let store = settings.build(name, self);
        self.waiting.pop();
        let store = self.config.observed(settings.kind(), store?);
        self.built.insert(name, Arc::clone(&store));
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

/// Each of these names the next one, and the last the first.
fn circle(names: &[&str]) -> Error {
    let first = names[0];
    let second = names.get(1).unwrap_or(&first);
    let circle: Vec<&str> = names.iter().copied().chain([first]).collect();
    let reason = format!("a store cannot be in front of itself: {}", circle.join(" -> "));
    Error::new(ErrorKind::Misconfigured, reason)
        .with("field", format_args!("stores.{first}.shared"))
        .with("value", format_args!("{:?}", second))
}
