//! Responses, and what can be read from them.

use std::fmt;

use serde_json::Value;

use super::set_cookie::SetCookie;

/// The response to a request.
#[derive(Clone)]
pub struct Response {
    /// The request's method and path, for messages.
    pub(super) asked: String,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// All headers, their names in lower case, in the order in which they came.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The values of the headers of a name, which is in lower case.
    pub fn header(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.headers().filter(move |(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The members of a header that is a list (RFC 9110, section 5.6.1), in lower case.
    pub fn list(&self, name: &str) -> Vec<String> {
        let lines = self.header(name).map(String::from_utf8_lossy);
        let members = lines.flat_map(|line| {
            line.split(',').map(|member| member.trim().to_lowercase()).collect::<Vec<_>>()
        });
        members.filter(|member| !member.is_empty()).collect()
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("a body that is no JSON ({error}) in {self}"))
    }

    /// Every `Set-Cookie` line.
    ///
    /// # Panics
    ///
    /// If one cannot be read.
    #[track_caller]
    pub fn set_cookies(&self) -> Vec<SetCookie> {
        let lines = self.header("set-cookie");
        lines
            .map(|line| {
                SetCookie::parse(line)
                    .unwrap_or_else(|reason| panic!("a bad Set-Cookie ({reason}) in {self}"))
            })
            .collect()
    }
}

/// Status, headers and the beginning of the body, below the request that this is the answer to.
impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 500;
        let Self { asked, status, headers, body } = self;
        write!(f, "the answer to {asked}:\n  {status}")?;
        for (name, value) in headers {
            write!(f, "\n  {name}: {}", String::from_utf8_lossy(value))?;
        }
        let shown = &body[..body.len().min(SHOWN)];
        write!(f, "\n\n  {}", String::from_utf8_lossy(shown))?;
        if shown.len() < body.len() {
            write!(f, "… ({} bytes)", body.len())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
