//! What can be replaced while an application runs.

use std::sync::Arc;

use super::{Policy, SessionsBuilder};
use crate::codec::{Codec, PayloadFormat};
use crate::error::Error;
use crate::key::Key;
use crate::record::Record;
use crate::session::Live;
use crate::token::Token;
use crate::transport::Transport;

/// How tokens travel, how payloads are written, how long sessions live. A request keeps those
/// that it began with.
#[derive(Debug)]
pub(crate) struct Settings {
    transport: Transport,
    format: PayloadFormat,
    /// Where they are from.
    pub(super) builder: SessionsBuilder,
}

impl Settings {
    pub(super) fn new(
        transport: Transport,
        format: PayloadFormat,
        builder: SessionsBuilder,
    ) -> Self {
        Self { transport, format, builder }
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(crate) fn format(&self) -> &PayloadFormat {
        &self.format
    }

    pub(crate) fn codec(&self) -> &dyn Codec {
        self.format.codec()
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.builder.policy
    }

    /// Takes over from those before, whose sessions, tokens and payloads there are.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](crate::ErrorKind::Misconfigured) for a difference that would
    /// part an application from them.
    pub(super) fn succeed(&mut self, earlier: &Self) -> Result<(), Error> {
        self.transport.succeed(&earlier.transport)?;
        self.format.succeed(&earlier.format)
    }

    /// A record as read, with its fields decoded unless somebody did so before.
    pub(crate) fn live(&self, token: Token, key: Key, record: Arc<Record>) -> Result<Live, Error> {
        let format = &self.format;
        let fields = record.payload.fields(format.id(), |bytes| format.decode(&key, bytes))?;
        let idle_deadline = record.idle_deadline;
        Ok(Live { token, key, record, fields, idle_deadline })
    }
}
