//! What a scenario insists on.

use std::time::SystemTime;

use serde_json::Value;

use super::response::Response;
use super::set_cookie::SetCookie;

impl Response {
    /// Insists on a status.
    ///
    /// # Panics
    ///
    /// If it is another one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "the status of {self}");
        self
    }

    /// Insists on a typed error.
    ///
    /// # Panics
    ///
    /// If it is another one, or none.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        let response = self.expect(status);
        assert_eq!(response.json()["error"], code, "the error in {response}");
        response
    }

    /// Insists on the answer that a visitor gets who is not signed in.
    ///
    /// # Panics
    ///
    /// If it is another one.
    #[track_caller]
    pub fn expect_anonymous(self) -> Self {
        self.expect_error(401, "no_session")
    }

    /// Insists that the browser keeps what it has.
    ///
    /// # Panics
    ///
    /// If there is a `Set-Cookie`.
    #[track_caller]
    pub fn expect_no_cookie(self) -> Self {
        assert!(self.set_cookies().is_empty(), "a Set-Cookie in {self}");
        self
    }

    /// Insists that the browser forgets its cookie.
    ///
    /// # Panics
    ///
    /// If it is not told so.
    #[track_caller]
    pub fn expect_cleared(self) -> Self {
        let cleared = self.set_cookie().is_some_and(|cookie| cookie.is_removal());
        assert!(cleared, "the cookie is not cleared in {self}");
        self
    }

    /// The token that the browser is given.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[track_caller]
    pub fn new_token(&self) -> String {
        self.given_token().unwrap_or_else(|| panic!("no token in {self}"))
    }

    /// The token that the browser is given, if any.
    ///
    /// # Panics
    ///
    /// If there is a `Set-Cookie` that cannot be read.
    #[track_caller]
    pub fn given_token(&self) -> Option<String> {
        let cookie = self.set_cookie().filter(|cookie| !cookie.is_removal())?;
        Some(cookie.value().to_owned())
    }

    /// The one `Set-Cookie`, if any.
    ///
    /// # Panics
    ///
    /// If it cannot be read.
    #[track_caller]
    pub fn set_cookie(&self) -> Option<SetCookie> {
        self.set_cookies().into_iter().next()
    }

    /// A member of the body, which is a JSON object.
    ///
    /// # Panics
    ///
    /// If there is no such member.
    #[track_caller]
    pub fn member(&self, name: &str) -> Value {
        let body = self.json();
        body.get(name).unwrap_or_else(|| panic!("no member {name:?} in {self}")).clone()
    }

    /// A member that is a string.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[track_caller]
    pub fn text_member(&self, name: &str) -> String {
        let member = self.member(name);
        let text = member.as_str();
        text.unwrap_or_else(|| panic!("{name:?} is no text in {self}")).to_owned()
    }

    /// A member that is a number of something.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[track_caller]
    pub fn number_member(&self, name: &str) -> u64 {
        let member = self.member(name);
        member.as_u64().unwrap_or_else(|| panic!("{name:?} is no number in {self}"))
    }

    /// A member that is a point in time: RFC 3339, in UTC, with milliseconds.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[track_caller]
    pub fn time_member(&self, name: &str) -> SystemTime {
        let text = self.text_member(name);
        time(&text).unwrap_or_else(|| panic!("{name:?} is no RFC 3339 time in ms in {self}"))
    }
}

fn time(text: &str) -> Option<SystemTime> {
    const FORM: &str = "2026-01-02T03:04:05.678Z";
    (text.len() == FORM.len()).then(|| humantime::parse_rfc3339(text).ok())?
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_have_milliseconds_and_are_in_utc() {
        let day = SystemTime::UNIX_EPOCH + Duration::from_millis(86_400_001);
        assert_eq!(time("1970-01-02T00:00:00.001Z"), Some(day));
        for text in [
            "1970-01-02T00:00:00Z",
            "1970-01-02 00:00:00.001Z",
            "1970-01-02T00:00:00.001000Z",
            "1970-01-02T00:00:00+00:00",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
