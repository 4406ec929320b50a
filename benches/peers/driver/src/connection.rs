//! A client's connection, with the cookies of its session. Small, so that asking takes little of the
//! machine that both sides share.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Failure;

pub(crate) struct Connection {
    stream: TcpStream,
    /// As in a request's header; empty without a session.
    pub(crate) cookies: String,
    buffer: Vec<u8>,
}

/// What was answered. The body is in the connection's buffer.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// `name=value; name=value`, of all the cookies that were set.
    pub(crate) cookies: String,
}

impl Connection {
    pub(crate) async fn to(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, cookies: String::new(), buffer: vec![0; 16_384] })
    }

    pub(crate) fn with_cookies(self, cookies: &str) -> Self {
        Self { cookies: cookies.to_owned(), ..self }
    }

    /// A connection with a new session.
    pub(crate) async fn signed_in(address: SocketAddr) -> Result<Self, Failure> {
        let mut connection = Self::to(address).await?;
        let cookies = connection.ask(&request("/create", "")).await?.ok()?.cookies;
        if cookies.is_empty() {
            return Err("/create set no cookie".into());
        }
        connection.cookies = cookies;
        Ok(connection)
    }

    /// Another connection with the same session, to the same server or another.
    pub(crate) async fn same_session(&self, address: SocketAddr) -> Result<Self, Failure> {
        Ok(Self::to(address).await?.with_cookies(&self.cookies))
    }

    /// Asks, and returns the body as text.
    pub(crate) async fn get(&mut self, path: &str) -> Result<String, Failure> {
        let request = request(path, &self.cookies);
        Ok(String::from_utf8(self.ask(&request).await?.ok()?.body.to_vec())?)
    }

    /// The counter of this session.
    pub(crate) async fn counter(&mut self) -> Result<u64, Failure> {
        let body = self.get("/read").await?;
        body.parse().map_err(|_| format!("/read answered `{body}`, and no counter").into())
    }

    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>, Failure> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                return Err("the connection was closed, or its answer is too long".into());
            }
            filled += read;
            if let Some(head) = Head::parse(&self.buffer[..filled])? {
                let end = head.length + head.body;
                if filled >= end {
                    let Head { status, length, cookies, .. } = head;
                    return Ok(Answer { status, body: &self.buffer[length..end], cookies });
                }
            }
        }
    }
}

/// A request's bytes, made once.
pub(crate) fn request(path: &str, cookies: &str) -> Vec<u8> {
    let mut request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n");
    if !cookies.is_empty() {
        request.push_str(&format!("cookie: {cookies}\r\n"));
    }
    request.push_str("\r\n");
    request.into_bytes()
}

impl Answer<'_> {
    pub(crate) fn ok(self) -> Result<Self, Failure> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        Err(format!("{} `{}`", self.status, String::from_utf8_lossy(self.body)).into())
    }
}

struct Head {
    status: u16,
    /// Of the head itself.
    length: usize,
    body: usize,
    cookies: String,
}

impl Head {
    /// Nothing as long as it is not complete.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, Failure> {
        let mut headers = [httparse::EMPTY_HEADER; 24];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = response.parse(bytes)? else { return Ok(None) };
        let (mut body, mut cookies) = (None, String::new());
        for header in response.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                body = Some(std::str::from_utf8(header.value)?.parse()?);
            } else if header.name.eq_ignore_ascii_case("set-cookie") {
                let value = std::str::from_utf8(header.value)?;
                let pair = value.split(';').next().unwrap_or_default();
                if !cookies.is_empty() {
                    cookies.push_str("; ");
                }
                cookies.push_str(pair);
            }
        }
        let status = response.code.unwrap_or_default();
        let body = body.ok_or("an answer without its length")?;
        Ok(Some(Self { status, length, body, cookies }))
    }
}

#[cfg(test)]
mod tests {
    use super::Head;

    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nSet-Cookie: session=abc; Path=/\r\n\
                            set-cookie: store=x; Secure\r\n\r\nok";

    #[test]
    fn an_answer_is_read_however_it_arrives() {
        for end in 0..ANSWER.len() - 2 {
            assert!(Head::parse(&ANSWER[..end]).expect("a part").is_none(), "{end}");
        }
        let head = Head::parse(ANSWER).expect("an answer").expect("all of it");
        assert_eq!((head.status, head.body, head.length), (200, 2, ANSWER.len() - 2));
        assert_eq!(head.cookies, "session=abc; store=x");
    }

    #[test]
    fn an_answer_whose_end_cannot_be_told_is_refused() {
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
