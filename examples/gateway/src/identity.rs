//! Who is signed in, as headers for a service in any language.

use std::time::{Duration, SystemTime};

use axum::http::HeaderName;
use axum::response::{AppendHeaders, IntoResponse, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use session_kit::{Handle, Session, Subject, Timestamp};

const USER: HeaderName = HeaderName::from_static("x-session-user");
const HANDLE: HeaderName = HeaderName::from_static("x-session-handle");
const AUTHENTICATED_AT: HeaderName = HeaderName::from_static("x-session-authenticated-at");

/// What is written as `%XX`: everything but letters, digits, what RFC 3986 reserves for nothing,
/// and `@`, so that mail addresses stay readable. `+` is not among them, since some decoders take
/// it for a blank.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// Who is signed in to a session.
pub(crate) struct Identity {
    subject: Subject,
    handle: Handle,
    authenticated_at: Option<Timestamp>,
}

impl Identity {
    /// `None` if nobody is.
    pub(crate) fn of(session: &Session) -> Option<Self> {
        let (subject, handle) = (session.subject()?, session.handle()?);
        Some(Self { subject, handle, authenticated_at: session.authenticated_at() })
    }
}

impl IntoResponse for Identity {
    fn into_response(self) -> Response {
        let Self { subject, handle, authenticated_at } = self;
        let mut headers = vec![(USER, encode(subject.as_str())), (HANDLE, handle.to_string())];
        headers.extend(authenticated_at.map(|time| (AUTHENTICATED_AT, rfc3339(time))));
        // What could not be a header would be answered as an error, never left out.
        AppendHeaders(headers).into_response()
    }
}

fn encode(subject: &str) -> String {
    utf8_percent_encode(subject, ENCODED).to_string()
}

fn rfc3339(time: Timestamp) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(0);
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_one_word_of_ascii_whatever_the_subject_is() {
        for (subject, encoded) in [
            ("u1001", "u1001"),
            ("anna.b-c_d~e@example.org", "anna.b-c_d~e@example.org"),
            ("a+b c", "a%2Bb%20c"),
            ("100%", "100%25"),
            ("%31", "%2531"),
            ("Zoë", "Zo%C3%AB"),
            ("a, b; c=\"d\"", "a%2C%20b%3B%20c%3D%22d%22"),
            ("a\r\nx-admin: 1", "a%0D%0Ax-admin%3A%201"),
            ("\0\t\x7f\u{85}", "%00%09%7F%C2%85"),
        ] {
            assert_eq!(encode(subject), encoded);
        }
    }

    #[test]
    fn times_are_written_to_the_millisecond() {
        let time = rfc3339(Timestamp::from_millis(1_767_323_045_000));
        assert_eq!(time, "2026-01-02T03:04:05.000Z");
    }
}
