//! A row, and the record that it is.

#[cfg(any(feature = "mysql", feature = "sqlite"))]
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

#[cfg(any(feature = "mysql", feature = "sqlite"))]
use session_core::Touch;
use session_core::{
    Device, Error, ErrorKind, Key, Loaded, Partition, Payload, Record, Revision, Source, Subject,
    Timeouts, Timestamp,
};
use sqlx::{ColumnIndex, Database, Decode, Row, Type};

/// The columns that [`read`] expects, in its order; the payload comes behind them.
pub(crate) const COLUMNS: [&str; 10] = [
    "revision",
    "created_at",
    "authenticated_at",
    "idle_deadline",
    "absolute_deadline",
    "idle_timeout",
    "absolute_timeout",
    "subject",
    "user_agent",
    "address",
];

/// The end of a session that is looked for by its key or its subject. The sum is in no index: where
/// hardly any session ends before that time, or after it, a planner would rather look for that,
/// and estimates age.
pub(crate) const ENDS_AT: &str = "ends_at + 0";

/// What a row holds, still in the database's types: the same for all of them.
pub(crate) struct Columns<'a> {
    pub(crate) revision: i64,
    pub(crate) created_at: i64,
    pub(crate) authenticated_at: Option<i64>,
    pub(crate) idle_deadline: i64,
    pub(crate) absolute_deadline: i64,
    pub(crate) idle_timeout: Option<i64>,
    pub(crate) absolute_timeout: Option<i64>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) user_agent: Option<&'a str>,
    pub(crate) address: Option<&'a str>,
    pub(crate) payload: &'a [u8],
}

impl<'a> Columns<'a> {
    pub(crate) fn of(record: &'a Record, revision: Revision) -> Self {
        // Whatever is written is known by its columns: a new part of a record does not compile.
        let Record {
            revision: _,
            created_at,
            authenticated_at,
            idle_deadline,
            absolute_deadline,
            timeouts,
            subject,
            device,
            payload,
        } = record;
        let device = device.as_deref();
        Self {
            revision: number(revision),
            created_at: created_at.as_millis(),
            authenticated_at: authenticated_at.map(Timestamp::as_millis),
            idle_deadline: idle_deadline.as_millis(),
            absolute_deadline: absolute_deadline.as_millis(),
            idle_timeout: timeouts.map(|timeouts| millis(timeouts.idle())),
            absolute_timeout: timeouts.map(|timeouts| millis(timeouts.absolute())),
            subject: subject.as_ref().map(Subject::as_str),
            user_agent: device.map(|device| device.user_agent().unwrap_or_default()),
            address: device.map(|device| device.address().unwrap_or_default()),
            payload: payload.as_bytes(),
        }
    }
}

/// The revision of a session that was just created.
pub(crate) const FIRST: Revision = Revision::new(1);

/// What a row says of a session.
enum Read {
    Whole(Record),
    /// The row came without its payload: the session is at the revision that was known.
    Known(Timestamp),
}

/// What a row of [`COLUMNS`] and payload says, of which the latter is missing if it is known.
pub(crate) fn loaded<R>(row: &R) -> Result<Loaded, Error>
where
    R: Row,
    usize: ColumnIndex<R>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> &'r str: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
{
    Ok(match read(row, 0)? {
        Read::Whole(record) => Loaded::Found { record: Arc::new(record), source: Source::Shared },
        Read::Known(idle_deadline) => Loaded::Unchanged { idle_deadline },
    })
}

/// The sessions in rows of key, [`COLUMNS`] and payload.
pub(crate) fn listed<R>(rows: &[R]) -> Result<Vec<(Key, Record)>, Error>
where
    R: Row,
    usize: ColumnIndex<R>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> &'r str: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
{
    let session = |row| match read(row, 1)? {
        Read::Whole(record) => Ok((read_key(row, 0)?, record)),
        Read::Known(_) => Err(invalid("payload")),
    };
    rows.iter().map(session).collect()
}

/// Reads the [`COLUMNS`], which begin at index `first`, and the payload.
///
/// # Errors
///
/// [`ErrorKind::Corrupt`] if that is no session.
fn read<R>(row: &R, first: usize) -> Result<Read, Error>
where
    R: Row,
    usize: ColumnIndex<R>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> &'r str: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
{
    let at = |index| first + index;
    let idle_deadline = Timestamp::from_millis(column(row, at(3))?);
    let Some(payload) = column::<R, Option<&[u8]>>(row, at(10))? else {
        return Ok(Read::Known(idle_deadline));
    };
    let timeouts = match (column(row, at(5))?, column(row, at(6))?) {
        (None, None) => None,
        (Some(idle), Some(absolute)) => Some(timeouts(idle, absolute)?),
        _ => return Err(invalid("timeouts")),
    };
    let subject: Option<&str> = column(row, at(7))?;
    let subject = subject.map(Subject::new).transpose().map_err(|_| invalid("subject"))?;
    let device = device(column(row, at(8))?, column(row, at(9))?)?;
    Ok(Read::Whole(Record {
        revision: revision(column(row, at(0))?)?,
        created_at: Timestamp::from_millis(column(row, at(1))?),
        authenticated_at: column::<R, Option<i64>>(row, at(2))?.map(Timestamp::from_millis),
        idle_deadline,
        absolute_deadline: Timestamp::from_millis(column(row, at(4))?),
        timeouts,
        subject,
        device: device.map(Arc::new),
        payload: Payload::new(payload.to_vec()),
    }))
}

/// The key in a column.
pub(crate) fn read_key<R>(row: &R, index: usize) -> Result<Key, Error>
where
    R: Row,
    usize: ColumnIndex<R>,
    for<'r> &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
{
    let bytes: &[u8] = column(row, index)?;
    let parts = bytes.split_first_chunk::<2>();
    let key = parts.and_then(|(partition, digest)| {
        Some(Key::from_parts(Partition::new(*partition), digest.try_into().ok()?))
    });
    key.ok_or_else(|| invalid("key"))
}

/// A key as the column holds it.
pub(crate) fn key_bytes(key: &Key) -> [u8; KEY] {
    let mut bytes = [0; KEY];
    let (partition, digest) = bytes.split_at_mut(2);
    partition.copy_from_slice(key.partition().as_bytes());
    digest.copy_from_slice(key.digest());
    bytes
}

/// Length of a key, in bytes.
pub(crate) const KEY: usize = 2 + Key::DIGEST_BYTES;

/// A revision as the column holds it. No session ever gets to one that does not fit.
pub(crate) fn number(revision: Revision) -> i64 {
    i64::try_from(revision.get()).unwrap_or(-1)
}

/// Keys in hexadecimal and deadlines, as a JSON array of pairs: one argument, however many there are.
#[cfg(any(feature = "mysql", feature = "sqlite"))]
pub(crate) fn touches_as_json(touches: &[Touch]) -> String {
    let mut pairs = String::with_capacity(2 + touches.len() * 96);
    pairs.push('[');
    for (index, Touch { key, idle_deadline }) in touches.iter().enumerate() {
        pairs.push_str(if index == 0 { "[\"" } else { ",[\"" });
        for byte in key_bytes(key) {
            // Writing to a string does not fail.
            let _ = write!(pairs, "{byte:02x}");
        }
        let _ = write!(pairs, "\",{}]", idle_deadline.as_millis());
    }
    pairs.push(']');
    pairs
}

/// A limit as databases take it.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn revision(number: i64) -> Result<Revision, Error> {
    u64::try_from(number).map(Revision::new).map_err(|_| invalid("revision"))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn timeouts(idle: i64, absolute: i64) -> Result<Timeouts, Error> {
    let duration = |millis| u64::try_from(millis).map(Duration::from_millis);
    let (Ok(idle), Ok(absolute)) = (duration(idle), duration(absolute)) else {
        return Err(invalid("timeouts"));
    };
    // The error of `new` speaks of settings, which these are not.
    Timeouts::new(idle, absolute).map_err(|_| invalid("timeouts"))
}

fn device(user_agent: Option<&str>, address: Option<&str>) -> Result<Option<Device>, Error> {
    let (user_agent, address) = match (user_agent, address) {
        (None, None) => return Ok(None),
        (Some(user_agent), Some(address)) => (user_agent, address),
        _ => return Err(invalid("device")),
    };
    let device = Device::new().with_user_agent(user_agent).with_address(address);
    // A device drops what it does not like; none that was written has anything to drop.
    let kept = |part: Option<&str>, written| part.unwrap_or_default() == written;
    if !kept(device.user_agent(), user_agent) || !kept(device.address(), address) {
        return Err(invalid("device"));
    }
    Ok(Some(device))
}

/// A column, of the type it is supposed to have. What the driver says otherwise may quote values.
pub(crate) fn column<'r, R, T>(row: &'r R, index: usize) -> Result<T, Error>
where
    R: Row,
    R::Database: Database,
    usize: ColumnIndex<R>,
    T: Decode<'r, R::Database> + Type<R::Database>,
{
    row.try_get(index).map_err(|_| {
        let message = "a column is not of the type that session-kit gives it";
        Error::new(ErrorKind::Corrupt, message).with("column", index)
    })
}

fn invalid(part: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, "a part of a stored session is invalid").with("part", part)
}
