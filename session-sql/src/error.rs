//! What a failure of a database means to a caller. Decided by code, never by a message: those
//! quote keys and values.

use session_core::{Error, ErrorKind};

/// Why an attempt failed, and what is left.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Whether the connection may be used again.
    pub(crate) connection: Condition,
    pub(crate) outcome: Outcome,
}

/// How a connection is after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// As before.
    Sound,
    /// It leads to a server that must not be asked again.
    Unsuitable,
    /// It is gone, which says nothing of the others.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    Closed,
    /// It is gone, and so, probably, are those that were opened to the same server before.
    Lost,
}

/// What became of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The database refused it, and would again.
    Refused,
    /// It was refused, because there is a row of that key.
    Taken,
    /// It was not executed for certain, because of others who were about the same.
    Contended,
    /// It was not executed for certain, because this server cannot.
    NotExecuted,
    Unknown,
}

impl Failure {
    /// The database's answer to this statement, or what is in its rows, is the trouble.
    pub(crate) fn refused(error: Error) -> Self {
        Self { error, connection: Condition::Sound, outcome: Outcome::Refused }
    }

    /// There is no connection.
    pub(crate) fn unconnected(error: sqlx::Error) -> Self {
        let failure = Self::from(error);
        let outcome = match failure.outcome {
            Outcome::Unknown => Outcome::NotExecuted,
            known => known,
        };
        Self { outcome, ..failure }
    }

    /// The server answers, and must not be asked. It would refuse a write with this code.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(crate) fn read_only(code: &str) -> Self {
        Self::coded(code, ErrorKind::Unavailable, READ_ONLY).unsuitable()
    }

    fn coded(code: &str, kind: ErrorKind, message: &str) -> Self {
        Self::refused(Error::new(kind, message).with("code", code))
    }

    fn taken(self) -> Self {
        Self { outcome: Outcome::Taken, ..self }
    }

    fn contended(self) -> Self {
        Self { outcome: Outcome::Contended, ..self }
    }

    fn unsuitable(self) -> Self {
        Self { connection: Condition::Unsuitable, outcome: Outcome::NotExecuted, ..self }
    }

    /// The server hangs up after this answer, or somebody in between has forgotten the statement.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    fn closed(self) -> Self {
        Self { connection: Condition::Closed, ..self }
    }

    /// By the code alone one cannot tell whether it was executed.
    #[cfg(feature = "postgres")]
    fn unknown(self) -> Self {
        Self { outcome: Outcome::Unknown, ..self }
    }

    fn lost(self) -> Self {
        Self { connection: Condition::Lost, outcome: Outcome::Unknown, ..self }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::refused(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let message = match error {
            sqlx::Error::Database(error) => return of_database(&*error),
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                "the connection was refused"
            }
            sqlx::Error::Io(_) => "the connection was lost, or cannot be made",
            sqlx::Error::Tls(_) => "the connection cannot be encrypted",
            sqlx::Error::Configuration(_) => "the connection cannot be made as configured",
            sqlx::Error::WorkerCrashed => "the thread of the database has ended",
            _ => "the database's answer is none that this call can have",
        };
        Self::refused(Error::new(ErrorKind::Unavailable, message)).lost()
    }
}

fn of_database(error: &dyn sqlx::error::DatabaseError) -> Failure {
    #[cfg(feature = "postgres")]
    if let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        use sqlx::postgres::PgSeverity::{Fatal, Panic};
        return of_postgres(error.code(), matches!(error.severity(), Fatal | Panic));
    }
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return of_mysql(error.number());
    }
    #[cfg(feature = "sqlite")]
    if let Some(code) = error.code().and_then(|code| code.parse().ok()) {
        return of_sqlite(code);
    }
    let _ = error;
    Failure::refused(Error::new(ErrorKind::Unavailable, REFUSED))
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
#[cfg(feature = "postgres")]
fn of_postgres(code: &str, is_fatal: bool) -> Failure {
    let coded = |kind, message| Failure::coded(code, kind, message);
    let failure = match code {
        "40001" | "40P01" | "55P03" => coded(ErrorKind::Unavailable, CONTENDED).contended(),
        "57014" => coded(ErrorKind::Timeout, TOO_SLOW),
        "25006" => coded(ErrorKind::Unavailable, READ_ONLY).unsuitable(),
        "57P03" => coded(ErrorKind::Unavailable, "the server is starting or stopping").unsuitable(),
        "53100" | "53400" => coded(ErrorKind::Full, NO_ROOM),
        "53300" => coded(ErrorKind::Unavailable, TOO_MANY).unsuitable(),
        "42501" => coded(ErrorKind::Unavailable, FORBIDDEN),
        "3D000" => coded(ErrorKind::Unavailable, NO_DATABASE),
        "42P01" => coded(ErrorKind::Misconfigured, NO_TABLE),
        "3F000" => coded(ErrorKind::Misconfigured, "there is no schema of that name"),
        // So PgBouncer tells of whatever happens to a server behind it.
        "08P01" if is_fatal => coded(ErrorKind::Unavailable, ENDED).lost(),
        // Another statement than was prepared is executed.
        "08P01" => coded(ErrorKind::Misconfigured, POOLER).unsuitable().unknown(),
        // A statement that was prepared is gone, or there already.
        "26000" | "42P05" => coded(ErrorKind::Misconfigured, POOLER).unsuitable(),
        "23505" => coded(ErrorKind::Misuse, TAKEN).taken(),
        _ => match code.get(..2).unwrap_or_default() {
            // The transaction is over without our doing, or in a state that we do not bring about.
            "08" | "25" | "57" | "XX" => coded(ErrorKind::Unavailable, ENDED).lost(),
            "28" => coded(ErrorKind::Unavailable, NOT_ADMITTED),
            "22" | "23" | "42" => coded(ErrorKind::Misconfigured, FOREIGN_TABLE),
            _ => coded(ErrorKind::Unavailable, REFUSED),
        },
    };
    match failure.connection {
        Condition::Sound if is_fatal => failure.closed(),
        _ => failure,
    }
}

/// <https://mariadb.com/kb/en/mariadb-error-code-reference/>,
/// <https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html>
#[cfg(feature = "mysql")]
fn of_mysql(number: u16) -> Failure {
    let coded = |kind, message| Failure::coded(&number.to_string(), kind, message);
    match number {
        1205 | 1213 | 1020 | 3101 | 3572 => coded(ErrorKind::Unavailable, CONTENDED).contended(),
        1969 | 3024 => coded(ErrorKind::Timeout, TOO_SLOW),
        1036 | 1290 | 1792 | 1836 | 1874 | 3989 => {
            coded(ErrorKind::Unavailable, READ_ONLY).unsuitable()
        }
        // A node of a group that is not ready.
        1047 => coded(ErrorKind::Unavailable, REFUSED).unsuitable(),
        // A statement that somebody in between has forgotten.
        1243 => coded(ErrorKind::Unavailable, REFUSED).unsuitable().closed(),
        1021 | 1114 => coded(ErrorKind::Full, NO_ROOM),
        1040 | 1203 | 1226 => coded(ErrorKind::Unavailable, TOO_MANY).unsuitable(),
        1142 | 1143 | 1227 | 1370 => coded(ErrorKind::Unavailable, FORBIDDEN),
        1044 | 1045 | 1698 => coded(ErrorKind::Unavailable, NOT_ADMITTED),
        1049 => coded(ErrorKind::Unavailable, NO_DATABASE),
        1146 => coded(ErrorKind::Misconfigured, NO_TABLE),
        1062 => coded(ErrorKind::Misuse, TAKEN).taken(),
        1153 => coded(ErrorKind::TooLarge, "the payload is over the server's max_allowed_packet")
            .closed(),
        1406 => coded(ErrorKind::TooLarge, "a payload is longer than the table's column"),
        1053 | 1077 | 1080 | 1317 | 1927 => coded(ErrorKind::Unavailable, ENDED).lost(),
        1048 | 1050 | 1054 | 1060..=1064 | 1136 | 1264 | 1364 | 1366 | 3819 | 4025 => {
            coded(ErrorKind::Misconfigured, FOREIGN_TABLE)
        }
        _ => coded(ErrorKind::Unavailable, REFUSED),
    }
}

/// <https://www.sqlite.org/rescode.html>
#[cfg(feature = "sqlite")]
fn of_sqlite(extended: i32) -> Failure {
    let coded = |kind, message| Failure::coded(&extended.to_string(), kind, message);
    // The lower byte is what an extended code is a case of.
    match (extended & 0xFF, extended) {
        (5 | 6, _) => coded(ErrorKind::Unavailable, CONTENDED).contended(),
        (9, _) => coded(ErrorKind::Timeout, TOO_SLOW),
        (8, _) => coded(ErrorKind::Unavailable, "the database file cannot be written").unsuitable(),
        (10 | 14, _) => coded(ErrorKind::Unavailable, NO_FILE).lost(),
        (13, _) => coded(ErrorKind::Full, NO_ROOM),
        (11 | 26, _) => coded(ErrorKind::Corrupt, "the file is damaged, or is no database").lost(),
        (19, 1555 | 2067) => coded(ErrorKind::Misuse, TAKEN).taken(),
        // Our statements are right where the table is ours.
        (1, _) => coded(ErrorKind::Misconfigured, NO_OR_FOREIGN_TABLE),
        (19 | 20, _) => coded(ErrorKind::Misconfigured, FOREIGN_TABLE),
        _ => coded(ErrorKind::Unavailable, REFUSED),
    }
}

#[cfg(feature = "postgres")]
const POOLER: &str =
    "there seems to be a pooler in between: `through_transaction_pooler` is for that";
const CONTENDED: &str = "others kept the session, or the database, busy";
#[cfg(any(feature = "postgres", feature = "mysql"))]
const READ_ONLY: &str = "the server is read-only: a replica, or a primary that was demoted";
#[cfg(any(feature = "postgres", feature = "mysql"))]
const TOO_MANY: &str = "the server has too many connections";
#[cfg(any(feature = "postgres", feature = "mysql"))]
const FORBIDDEN: &str = "the user lacks a permission on the table";
#[cfg(any(feature = "postgres", feature = "mysql"))]
const NOT_ADMITTED: &str = "the server refuses user or password";
#[cfg(any(feature = "postgres", feature = "mysql"))]
const NO_DATABASE: &str = "the server has no database of that name";
#[cfg(any(feature = "postgres", feature = "mysql"))]
const ENDED: &str = "the server, or a pooler in front of it, has ended the connection";
#[cfg(any(feature = "postgres", feature = "mysql"))]
const NO_TABLE: &str = "the table is missing: have it made (`migrate`), or make it";
#[cfg(feature = "sqlite")]
const NO_OR_FOREIGN_TABLE: &str =
    "the table is missing, and may be made (`migrate`), or has other columns than session-kit's";
#[cfg(feature = "sqlite")]
const NO_FILE: &str = "the database file cannot be opened, read or written";
const FOREIGN_TABLE: &str = "the table is not as session-kit makes it: another application's, or of an older version (`migrate`)";
const NO_ROOM: &str = "the database has no room left";
const TAKEN: &str = "the key to rotate to is taken";
const TOO_SLOW: &str = "the server gave the statement up, which took too long";
const REFUSED: &str = "the database refused the call";
