//! What a session's Redis key holds: a header, then the payload. Integers are big-endian.
//!
//! ```text
//! offset  size
//! 0       1     "S"
//! 1       1     version of this format: 1
//! 2       2     u16  where the payload begins
//! 4       8     u64  revision
//! 12      8     i64  idle deadline
//! 20      8     i64  absolute deadline
//! 28      8     i64  created at
//! 36      1     flags: 0x01 authenticated at, 0x02 timeouts of its own, 0x04 device,
//!               0x08 user agent, 0x10 address
//! 37      1     u8   length of the subject, 0 for none
//! 38      n     subject
//! ..      8     i64  authenticated at, if flagged
//! ..      8+8   u64  idle and absolute timeout, if flagged
//! ..      1+n   u8   length of the user agent, and the user agent, if flagged
//! ..      1+n   u8   length of the address, and the address, if flagged
//! ..      rest  payload
//! ```
//!
//! Points in time are milliseconds since the Unix epoch, timeouts are milliseconds, text is UTF-8.
//!
//! The fixed offsets are for those who do not read it all: scripts compare revision and subject,
//! a touch overwrites the idle deadline where it is, and a program in another language finds a
//! JSON payload that is neither compressed nor sealed, here in Python:
//!
//! ```python
//! value = redis.get(key)
//! revision, idle_deadline, absolute_deadline = struct.unpack(">Qqq", value[4:28])
//! fields = json.loads(value[int.from_bytes(value[2:4], "big"):] or "{}")
//! ```
//!
//! A session has one spelling: what decodes is what encoding it again would write.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use session_core::{
    Device, Error, ErrorKind, Payload, Record, Revision, Subject, Timeouts, Timestamp,
};

/// Length of the beginning of a value that [`decode_head`] reads.
pub(crate) const HEAD: usize = 28;

/// What the beginning of a value says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) revision: Revision,
    pub(crate) idle_deadline: Timestamp,
    pub(crate) absolute_deadline: Timestamp,
}

/// Whether this was written by a later version of this crate, which other nodes may run already.
pub(crate) fn is_newer(value: &[u8]) -> bool {
    matches!(value, [MAGIC, version, ..] if *version > VERSION)
}

/// The value of a session at `revision`, whatever revision the record itself is at.
pub(crate) fn encode(record: &Record, revision: Revision) -> Vec<u8> {
    let Record {
        revision: _,
        created_at,
        authenticated_at,
        idle_deadline,
        absolute_deadline,
        timeouts,
        subject: _,
        device,
        payload,
    } = record;
    let header_len = header_len(record);
    let mut value = Vec::with_capacity(header_len + payload.as_bytes().len());
    value.extend_from_slice(&[MAGIC, VERSION]);
    // No part of a header is longer than its one byte of length can say, so two bytes suffice.
    value.extend_from_slice(&(header_len as u16).to_be_bytes());
    value.extend_from_slice(&revision_bytes(revision));
    for time in [idle_deadline, absolute_deadline, created_at] {
        value.extend_from_slice(&time.as_millis().to_be_bytes());
    }
    value.push(flags(record));
    put_text(&mut value, subject_text(record));
    if let Some(time) = authenticated_at {
        value.extend_from_slice(&time.as_millis().to_be_bytes());
    }
    if let Some(timeouts) = timeouts {
        for timeout in [timeouts.idle(), timeouts.absolute()] {
            value.extend_from_slice(&(timeout.as_millis() as u64).to_be_bytes());
        }
    }
    for text in device_texts(device.as_deref()).into_iter().flatten() {
        put_text(&mut value, text);
    }
    debug_assert_eq!(value.len(), header_len, "`header_len` counts what is written here");
    value.extend_from_slice(payload.as_bytes());
    value
}

/// The session of a value. The payload is not copied: it stays in the value's memory.
///
/// # Errors
///
/// [`ErrorKind::Corrupt`] for anything that [`encode`] does not write.
pub(crate) fn decode(value: Vec<u8>) -> Result<Record, Error> {
    let Head { revision, idle_deadline, absolute_deadline } = decode_head(&value)?;
    let header_len = identify(&value)?;
    let header = value.get(..header_len).ok_or_else(|| cut_off(value.len()))?;
    let mut parts = Parts { rest: &header[HEAD..] };
    let created_at = parts.time("created at")?;
    let flags = parts.flags()?;
    let subject = parts.subject()?;
    let authenticated_at = flags.read(AUTHENTICATED_AT, || parts.time("authenticated at"))?;
    let timeouts = flags.read(TIMEOUTS, || parts.timeouts())?;
    let device = parts.device(flags)?;
    if !parts.rest.is_empty() {
        return Err(corrupt("the header of a session value goes on after its last part")
            .with("excess bytes", parts.rest.len()));
    }
    let mut payload = Bytes::from(value);
    payload.advance(header_len);
    Ok(Record {
        revision,
        created_at,
        authenticated_at,
        idle_deadline,
        absolute_deadline,
        timeouts,
        subject,
        device: device.map(Arc::new),
        payload: Payload::new(payload),
    })
}

/// What the first [`HEAD`] bytes of a value say, with or without the rest of it.
///
/// # Errors
///
/// [`ErrorKind::Corrupt`] if no value begins so.
pub(crate) fn decode_head(head: &[u8]) -> Result<Head, Error> {
    identify(head)?;
    let fixed = head.get(FIELDS..HEAD).ok_or_else(|| cut_off(head.len()))?;
    let mut parts = Parts { rest: fixed };
    Ok(Head {
        revision: Revision::new(u64::from_be_bytes(parts.take("revision")?)),
        idle_deadline: parts.time("idle deadline")?,
        absolute_deadline: parts.time("absolute deadline")?,
    })
}

/// A revision as values hold it. In this form revisions compare as bytes do.
pub(crate) fn revision_bytes(revision: Revision) -> [u8; 8] {
    revision.get().to_be_bytes()
}

/// A subject as values hold it, with its length before it.
pub(crate) fn subject_block(record: &Record) -> Vec<u8> {
    let subject = subject_text(record);
    let mut block = Vec::with_capacity(1 + subject.len());
    put_text(&mut block, subject);
    block
}

fn header_len(record: &Record) -> usize {
    let Record { authenticated_at, timeouts, device, .. } = record;
    let device = device_texts(device.as_deref()).into_iter().flatten();
    FIXED
        + subject_text(record).len()
        + authenticated_at.map_or(0, |_| size_of::<i64>())
        + timeouts.map_or(0, |_| 2 * size_of::<u64>())
        + device.map(|text| 1 + text.len()).sum::<usize>()
}

fn flags(record: &Record) -> u8 {
    let device = record.device.as_deref();
    let [user_agent, address] = device_texts(device);
    [
        (AUTHENTICATED_AT, record.authenticated_at.is_some()),
        (TIMEOUTS, record.timeouts.is_some()),
        (DEVICE, device.is_some()),
        (USER_AGENT, user_agent.is_some()),
        (ADDRESS, address.is_some()),
    ]
    .into_iter()
    .fold(0, |flags, (flag, is_set)| if is_set { flags | flag } else { flags })
}

fn subject_text(record: &Record) -> &str {
    record.subject.as_ref().map_or("", Subject::as_str)
}

fn device_texts(device: Option<&Device>) -> [Option<&str>; 2] {
    [device.and_then(Device::user_agent), device.and_then(Device::address)]
}

/// Subjects and the parts of devices are 255 bytes at most, by their types.
fn put_text(value: &mut Vec<u8>, text: &str) {
    value.push(text.len() as u8);
    value.extend_from_slice(text.as_bytes());
}

/// Where the payload begins, in what begins as a value does.
fn identify(value: &[u8]) -> Result<usize, Error> {
    let header_len = match *value {
        [MAGIC, VERSION, high, low, ..] => u16::from_be_bytes([high, low]),
        [MAGIC, VERSION, ..] | [MAGIC] => return Err(cut_off(value.len())),
        [MAGIC, version, ..] if version > VERSION => {
            let message =
                format!("a session value was written by a newer version, in format {version}");
            return Err(Error::new(ErrorKind::Corrupt, message).with("newest known", VERSION));
        }
        _ => return Err(corrupt("this is not a session value")),
    };
    if usize::from(header_len) < FIXED {
        return Err(corrupt("the header of a session value cannot be that short")
            .with("header bytes", header_len));
    }
    Ok(header_len.into())
}

/// The parts of a header that have not been read yet.
struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    fn time(&mut self, part: &'static str) -> Result<Timestamp, Error> {
        Ok(Timestamp::from_millis(i64::from_be_bytes(self.take(part)?)))
    }

    fn flags(&mut self) -> Result<Flags, Error> {
        let [flags] = self.take("flags")?;
        let unknown = flags & !(AUTHENTICATED_AT | TIMEOUTS | DEVICE | USER_AGENT | ADDRESS);
        if unknown != 0 {
            return Err(corrupt("a session value has unknown flags")
                .with("unknown", format_args!("{unknown:#04x}")));
        }
        if flags & DEVICE == 0 && flags & (USER_AGENT | ADDRESS) != 0 {
            return Err(corrupt("a session value describes a device but has none"));
        }
        Ok(Flags(flags))
    }

    fn subject(&mut self) -> Result<Option<Subject>, Error> {
        match self.text("subject")? {
            "" => Ok(None),
            id => Subject::new(id).map(Some).map_err(|_| invalid("subject")),
        }
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let idle = Duration::from_millis(u64::from_be_bytes(self.take("idle timeout")?));
        let absolute = Duration::from_millis(u64::from_be_bytes(self.take("absolute timeout")?));
        // The error of `new` speaks of settings, which these are not.
        Timeouts::new(idle, absolute).map_err(|_| invalid("timeouts"))
    }

    fn device(&mut self, flags: Flags) -> Result<Option<Device>, Error> {
        let user_agent = flags.read(USER_AGENT, || self.text("user agent"))?;
        let address = flags.read(ADDRESS, || self.text("address"))?;
        let device = flags.read(DEVICE, || {
            Ok(Device::new()
                .with_user_agent(user_agent.unwrap_or_default())
                .with_address(address.unwrap_or_default()))
        })?;
        // A device drops what it does not like; none that was written has anything to drop.
        if device_texts(device.as_ref()) != [user_agent, address] {
            return Err(invalid("device"));
        }
        Ok(device)
    }

    fn text(&mut self, part: &'static str) -> Result<&'a str, Error> {
        let [length] = self.take(part)?;
        let (text, rest) =
            self.rest.split_at_checked(length.into()).ok_or_else(|| ends_before(part))?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| invalid(part))
    }

    fn take<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], Error> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(|| ends_before(part))?;
        self.rest = rest;
        Ok(*bytes)
    }
}

/// Which of the optional parts there are.
#[derive(Clone, Copy)]
struct Flags(u8);

impl Flags {
    /// Reads a part if it is there.
    fn read<T>(
        self,
        flag: u8,
        read: impl FnOnce() -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        (self.0 & flag != 0).then(read).transpose()
    }
}

fn cut_off(bytes: usize) -> Error {
    corrupt("a session value is cut off within its header").with("bytes", bytes)
}

fn ends_before(part: &'static str) -> Error {
    corrupt("the header of a session value is too short for its parts").with("part", part)
}

fn invalid(part: &'static str) -> Error {
    corrupt("a part of a session value is invalid").with("part", part)
}

fn corrupt(message: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

const MAGIC: u8 = b'S';
const VERSION: u8 = 1;
/// Where the revision is: after magic, version and length of the header.
const FIELDS: usize = 4;
/// Length of a header without any optional part.
const FIXED: usize = 38;

const AUTHENTICATED_AT: u8 = 0x01;
const TIMEOUTS: u8 = 0x02;
const DEVICE: u8 = 0x04;
const USER_AGENT: u8 = 0x08;
const ADDRESS: u8 = 0x10;

#[cfg(test)]
mod tests;
