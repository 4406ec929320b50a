//! Arguments of statements.

use session_core::{Error, ErrorKind, Key, Record, Revision};
use sqlx::{Arguments, Encode, Type};

use crate::error::Failure;
use crate::row::{self, Columns};

/// Adds an argument. None of ours is too long for a database.
pub(crate) fn add<'t, A, T>(arguments: &mut A, value: T) -> Result<(), Failure>
where
    A: Arguments,
    T: Encode<'t, A::Database> + Type<A::Database>,
{
    arguments.add(value).map_err(|_| {
        let message = "a value cannot be written as the database expects it";
        Failure::refused(Error::new(ErrorKind::TooLarge, message))
    })
}

/// Adds a key.
pub(crate) fn add_key<A>(arguments: &mut A, key: &Key) -> Result<(), Failure>
where
    A: Arguments,
    for<'t> &'t [u8]: Encode<'t, A::Database> + Type<A::Database>,
{
    add(arguments, row::key_bytes(key).as_slice())
}

/// Adds the key behind which a list begins: the empty one is before all.
pub(crate) fn add_beginning<A>(arguments: &mut A, after: Option<&Key>) -> Result<(), Failure>
where
    A: Arguments,
    for<'t> &'t [u8]: Encode<'t, A::Database> + Type<A::Database>,
{
    match after {
        Some(key) => add_key(arguments, key),
        None => add(arguments, &[][..]),
    }
}

/// Adds the [`COLUMNS`](row::COLUMNS) of a record, and the payload.
pub(crate) fn add_record<A>(
    arguments: &mut A,
    record: &Record,
    revision: Revision,
) -> Result<(), Failure>
where
    A: Arguments,
    for<'t> i64: Encode<'t, A::Database> + Type<A::Database>,
    for<'t> Option<i64>: Encode<'t, A::Database>,
    for<'t> &'t str: Type<A::Database>,
    for<'t> Option<&'t str>: Encode<'t, A::Database>,
    for<'t> &'t [u8]: Encode<'t, A::Database> + Type<A::Database>,
{
    let Columns {
        revision,
        created_at,
        authenticated_at,
        idle_deadline,
        absolute_deadline,
        idle_timeout,
        absolute_timeout,
        subject,
        user_agent,
        address,
        payload,
    } = Columns::of(record, revision);
    // With room for what comes before and behind.
    arguments.reserve(18, payload.len() + 512);
    add(arguments, revision)?;
    add(arguments, created_at)?;
    add(arguments, authenticated_at)?;
    add(arguments, idle_deadline)?;
    add(arguments, absolute_deadline)?;
    add(arguments, idle_timeout)?;
    add(arguments, absolute_timeout)?;
    add(arguments, subject)?;
    add(arguments, user_agent)?;
    add(arguments, address)?;
    add(arguments, payload)
}
