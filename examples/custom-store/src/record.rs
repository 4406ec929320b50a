//! A session as a file has it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use session_kit::{Device, Error, Payload, Record, Revision, Subject, Timeouts, Timestamp};

/// Times are milliseconds.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stored {
    revision: u64,
    created_at: i64,
    authenticated_at: Option<i64>,
    idle_deadline: i64,
    absolute_deadline: i64,
    timeouts: Option<(u64, u64)>,
    subject: Option<String>,
    device: Option<(String, String)>,
    payload: Vec<u8>,
}

impl From<&Record> for Stored {
    fn from(record: &Record) -> Self {
        let millis = |timeout: Duration| timeout.as_millis() as u64;
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let device = |it: &Arc<Device>| (text(it.user_agent()), text(it.address()));
        Self {
            revision: record.revision.get(),
            created_at: record.created_at.as_millis(),
            authenticated_at: record.authenticated_at.map(Timestamp::as_millis),
            idle_deadline: record.idle_deadline.as_millis(),
            absolute_deadline: record.absolute_deadline.as_millis(),
            timeouts: record.timeouts.map(|it| (millis(it.idle()), millis(it.absolute()))),
            subject: record.subject.as_ref().map(|subject| subject.as_str().to_owned()),
            device: record.device.as_ref().map(device),
            payload: record.payload.as_bytes().to_vec(),
        }
    }
}

impl TryFrom<Stored> for Record {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self, Error> {
        let millis = Duration::from_millis;
        let timeouts = stored.timeouts.map(|(idle, all)| Timeouts::new(millis(idle), millis(all)));
        let device = stored.device.map(|(user_agent, address)| {
            Arc::new(Device::new().with_user_agent(&user_agent).with_address(&address))
        });
        Ok(Self {
            revision: Revision::new(stored.revision),
            created_at: Timestamp::from_millis(stored.created_at),
            authenticated_at: stored.authenticated_at.map(Timestamp::from_millis),
            idle_deadline: Timestamp::from_millis(stored.idle_deadline),
            absolute_deadline: Timestamp::from_millis(stored.absolute_deadline),
            timeouts: timeouts.transpose()?,
            subject: stored.subject.map(Subject::new).transpose()?,
            device,
            payload: Payload::new(stored.payload),
        })
    }
}
