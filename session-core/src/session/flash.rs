//! Messages for the next page.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Session, encode};
use crate::codec;
use crate::error::Error;

/// A message that is shown once, on the page after a redirect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash {
    /// How it is meant.
    pub level: Level,
    /// What it says.
    pub text: String,
}

/// How a message is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something to know.
    Info,
    /// Something worked.
    Success,
    /// Something to look at.
    Warning,
    /// Something failed.
    Error,
}

const FIELD: &str = "_flash";

/// # Messages
impl Session {
    /// Leaves a message for the next page.
    ///
    /// # Errors
    ///
    /// As [`insert`](Session::insert).
    pub fn flash(&self, level: Level, text: impl Into<String>) -> Result<(), Error> {
        let flash = Flash { level, text: text.into() };
        self.update(FIELD, move |messages: Option<Vec<Flash>>| {
            let mut messages = messages.unwrap_or_default();
            messages.push(flash.clone());
            messages
        })?;
        Ok(())
    }

    /// Takes the messages out: exactly those returned, so that one left by another request
    /// meanwhile is still there for the next page.
    ///
    /// # Errors
    ///
    /// As [`get`](Session::get).
    pub fn take_flashes(&self) -> Result<Vec<Flash>, Error> {
        let taken: Vec<Flash> = self.get(FIELD)?.unwrap_or_default();
        if taken.is_empty() {
            return Ok(taken);
        }
        let (settings, seen) = (self.settings_shared(), taken.clone());
        self.push_update(
            FIELD.into(),
            Arc::new(move |present| {
                let Some(present) = present else { return Ok(None) };
                let mut left: Vec<Flash> = codec::decode(settings.codec(), present)?;
                for flash in &seen {
                    if let Some(at) = left.iter().position(|candidate| candidate == flash) {
                        left.remove(at);
                    }
                }
                let some = !left.is_empty();
                some.then(|| encode(&settings, FIELD, &left)).transpose()
            }),
        )?;
        Ok(taken)
    }
}
