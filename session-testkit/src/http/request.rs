//! Requests, down to the byte.

use serde_json::Value;

/// An HTTP/1.1 request. Header values are bytes, and nothing checks them.
#[derive(Clone, Debug)]
pub struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
    chunked: bool,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        let path = path.into();
        Self { method, path, headers: Vec::new(), body: None, chunked: false }
    }

    /// A `GET`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    /// A `POST`, without a body.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path)
    }

    /// A `PUT` of a JSON value.
    pub fn put(path: impl Into<String>, value: &Value) -> Self {
        Self::new("PUT", path).json(value)
    }

    /// A `DELETE`.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new("DELETE", path)
    }

    /// Adds a header line, beside any of the same name.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// Adds a `Cookie` line.
    #[must_use]
    pub fn cookie(self, value: impl AsRef<[u8]>) -> Self {
        self.header("cookie", value)
    }

    /// Sends a JSON value.
    #[must_use]
    pub fn json(self, value: &Value) -> Self {
        self.header("content-type", "application/json").body(value.to_string())
    }

    /// Sends these bytes.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Does not tell the length of the body beforehand.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// The method.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// Path and query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The values of the `Cookie` lines, in order.
    pub fn cookies(&self) -> impl Iterator<Item = &[u8]> {
        let cookies = self.headers.iter().filter(|(name, _)| name == "cookie");
        cookies.map(|(_, value)| value.as_slice())
    }

    pub(super) fn has_body(&self) -> bool {
        self.body.is_some()
    }

    pub(super) fn to_bytes(&self, host: &str) -> Vec<u8> {
        let Self { method, path, headers, body, chunked } = self;
        let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n").into_bytes();
        for (name, value) in headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        let body = body.as_deref();
        if *chunked {
            bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
            for chunk in body.unwrap_or_default().chunks(16 * 1024) {
                bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                bytes.extend([chunk, b"\r\n"].concat());
            }
            bytes.extend(b"0\r\n\r\n");
            return bytes;
        }
        if body.is_some() || *method != "GET" {
            let length = body.map_or(0, <[u8]>::len);
            bytes.extend(format!("content-length: {length}\r\n").into_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(body.unwrap_or_default());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_was_asked_for() {
        let request = Request::get("/a?b=c").cookie(b"id=\xff").cookie("id=\0");
        let expected =
            b"GET /a?b=c HTTP/1.1\r\nhost: h\r\ncookie: id=\xff\r\ncookie: id=\0\r\n\r\n";
        assert_eq!(request.to_bytes("h"), expected);
        assert_eq!(request.cookies().collect::<Vec<_>>(), [b"id=\xff".as_slice(), b"id=\0"]);
    }

    #[test]
    fn a_body_has_a_length_or_comes_in_chunks() {
        let request = Request::put("/", &serde_json::json!("x"));
        let told = String::from_utf8(request.to_bytes("h")).unwrap();
        assert!(told.ends_with("\r\ncontent-length: 3\r\n\r\n\"x\""), "{told}");
        let told = String::from_utf8(request.chunked().to_bytes("h")).unwrap();
        assert!(
            told.ends_with("\r\ntransfer-encoding: chunked\r\n\r\n3\r\n\"x\"\r\n0\r\n\r\n"),
            "{told}"
        );
        let told = String::from_utf8(Request::post("/").to_bytes("h")).unwrap();
        assert!(told.ends_with("\r\ncontent-length: 0\r\n\r\n"), "{told}");
    }
}
