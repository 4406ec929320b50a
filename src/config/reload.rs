//! A configuration that is read again while its sessions are in use.

use session_core::{Error, ErrorKind, Sessions};

use super::Config;

impl Config {
    /// Makes the `[session]` of `newer` that of sessions which were built from this configuration:
    /// timeouts, limits, key rings and attributes of the cookie, by [`Sessions::reload`], without
    /// a request being dropped.
    ///
    /// Compare each newer configuration with the one that the sessions were built from, which also
    /// [adjusts](Config::adjust) the newer one.
    ///
    /// ```
    /// use session_kit::config::Config;
    ///
    /// let text = r#"
    ///     [session]
    ///     store = "main"
    ///     idle_timeout = "30m"
    ///     [stores.main]
    ///     kind = "memory"
    /// "#;
    /// # #[cfg(feature = "memory")] {
    /// let config = Config::parse(text, "session.toml", [])?;
    /// let sessions = config.build()?;
    ///
    /// let newer = Config::parse(&text.replace("30m", "10m"), "session.toml", [])?;
    /// config.reload(&sessions, &newer)?;
    /// assert_eq!(sessions.timeouts().idle().as_secs(), 600);
    /// # }
    /// # Ok::<(), session_kit::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] for what cannot change while the application runs: whatever is
    /// under `[stores]`, which of them keeps the sessions, and what [`Sessions::reload`] names. Then
    /// everything stays as it was. A file without a section `[session]` is one in which all of it has
    /// its default.
    pub fn reload(&self, sessions: &Sessions, newer: &Self) -> Result<(), Error> {
        self.check_stores(newer)
            .and_then(|()| {
                let builder = Sessions::builder_shared(sessions.store_shared());
                let builder = newer.session.apply(builder, &newer.registry)?;
                sessions.reload((self.adjust)(builder)).map_err(|error| error.within("session"))
            })
            .map_err(|error| newer.places.locate(error).with("file", &newer.origin))
    }

    /// Stores hold connections and caches: they stay, and so does what they were built from.
    fn check_stores(&self, newer: &Self) -> Result<(), Error> {
        if newer.store()? != self.store()? {
            return Err(fixed("session.store".to_owned()));
        }
        let names = self.stores.keys().chain(newer.stores.keys());
        for name in names {
            let (before, after) = (self.stores.get(name), newer.stores.get(name));
            let (Some(before), Some(after)) = (before, after) else {
                return Err(fixed(format!("stores.{name}")));
            };
            if before.kind != after.kind {
                return Err(fixed(format!("stores.{name}.kind")));
            }
            let keys = before.settings.keys().chain(after.settings.keys());
            for key in keys {
                if before.settings.get(key) != after.settings.get(key) {
                    return Err(fixed(format!("stores.{name}.{key}")));
                }
            }
        }
        Ok(())
    }
}

fn fixed(field: String) -> Error {
    let reason = "stores cannot change while the application runs: restart it";
    Error::new(ErrorKind::Misconfigured, reason).with("field", field)
}
