//! A configuration that is read again on SIGHUP, while requests go on.

use std::path::PathBuf;

use session_kit::Sessions;
use session_kit::config::Config;

/// Whatever asks for it, until the process ends.
pub(crate) struct Reload {
    pub(crate) file: Option<PathBuf>,
    /// What the sessions were built from.
    pub(crate) config: Config,
    pub(crate) sessions: Sessions,
}

impl Reload {
    /// Begins to listen: a process that does not is ended by this signal.
    #[cfg(unix)]
    pub(crate) fn on_hangup(self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                self.reload();
            }
        });
        Ok(())
    }

    #[cfg(not(unix))]
    pub(crate) fn on_hangup(self) -> std::io::Result<()> {
        Ok(())
    }

    #[cfg(unix)]
    fn reload(&self) {
        let newer = portal::config(self.file.as_deref());
        match newer.and_then(|newer| self.config.reload(&self.sessions, &newer)) {
            Ok(()) => eprintln!("portal: the configuration was read again, and holds from now on"),
            Err(error) => eprintln!("portal: nothing was changed: {error}"),
        }
    }
}
