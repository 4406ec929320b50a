//! Reading a response off a socket.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

const MAX_HEADERS: usize = 64;

/// A response as it came over the wire.
pub(super) struct Raw {
    pub(super) status: u16,
    /// The names in lower case.
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    /// Whether the connection may be used again.
    pub(super) keep_alive: bool,
}

/// Bytes from a peer, and those of them that nobody has consumed yet.
pub(super) struct Wire<R> {
    reader: R,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin + Send> Wire<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new() }
    }

    /// The response to a request without `HEAD`, whose end it must be: what follows would be
    /// taken for the response to somebody else's request.
    pub(super) async fn response(&mut self) -> io::Result<Raw> {
        loop {
            let mut raw = self.head().await?;
            if (100..200).contains(&raw.status) {
                continue;
            }
            raw.body = self.body(&mut raw).await?;
            if !self.buffer.is_empty() {
                return Err(broken(format!("{} bytes after the response", self.buffer.len())));
            }
            return Ok(raw);
        }
    }

    async fn head(&mut self) -> io::Result<Raw> {
        loop {
            if let Some((raw, length)) = parse_head(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(raw);
            }
            self.more().await?;
        }
    }

    async fn body(&mut self, raw: &mut Raw) -> io::Result<Vec<u8>> {
        if raw.status == 204 || raw.status == 304 {
            return Ok(Vec::new());
        }
        let value = |wanted: &str| {
            let found = raw.headers.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| String::from_utf8_lossy(value).trim().to_ascii_lowercase())
        };
        match (value("transfer-encoding").as_deref(), value("content-length")) {
            (Some("chunked"), None) => self.chunks().await,
            (None, Some(length)) => {
                let length = length.parse().map_err(|_| broken("a bad Content-Length"))?;
                self.exactly(length).await
            }
            (None, None) => {
                raw.keep_alive = false;
                self.rest().await
            }
            (Some(_), _) => Err(broken("a Transfer-Encoding that is not `chunked` alone")),
        }
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let (start, size) = loop {
                let parsed = httparse::parse_chunk_size(&self.buffer);
                match parsed.map_err(|_| broken("a bad chunk size"))? {
                    httparse::Status::Complete(found) => break found,
                    httparse::Status::Partial => self.more().await?,
                }
            };
            self.buffer.drain(..start);
            let size = usize::try_from(size).map_err(|_| broken("a huge chunk"))?;
            body.extend(self.exactly(size).await?);
            if self.exactly(2).await? != b"\r\n" {
                return Err(broken("a chunk does not end where it should, or trailers follow"));
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn rest(&mut self) -> io::Result<Vec<u8>> {
        self.reader.read_to_end(&mut self.buffer).await?;
        Ok(std::mem::take(&mut self.buffer))
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.reader.read_buf(&mut self.buffer).await? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "closed before the response ended",
            )),
            _ => Ok(()),
        }
    }
}

fn parse_head(buffer: &[u8]) -> io::Result<Option<(Raw, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let length = match head.parse(buffer).map_err(|error| broken(error.to_string()))? {
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete(length) => length,
    };
    let headers: Vec<(String, Vec<u8>)> = head
        .headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec()))
        .collect();
    let closes = headers
        .iter()
        .any(|(name, value)| name == "connection" && value.eq_ignore_ascii_case(b"close"));
    let keep_alive = head.version == Some(1) && !closes;
    let status = head.code.ok_or_else(|| broken("no status"))?;
    Ok(Some((Raw { status, headers, body: Vec::new(), keep_alive }, length)))
}

fn broken(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> io::Result<Raw> {
        Wire::new(bytes).response().await
    }

    #[tokio::test]
    async fn bodies_end_where_they_say() {
        let cases: [(&[u8], &[u8], bool); 5] = [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", b"ab", true),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc", true),
            (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", b"abc", false),
            (b"HTTP/1.1 204 No Content\r\n\r\n", b"", true),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", b"", true),
        ];
        for (bytes, body, keep_alive) in cases {
            let raw = read(bytes).await.unwrap();
            assert_eq!((&*raw.body, raw.keep_alive), (body, keep_alive));
        }
    }

    #[tokio::test]
    async fn headers_are_bytes_and_may_come_twice() {
        let raw =
            read(b"HTTP/1.1 204 No Content\r\nSet-Cookie: a=\xff\r\nset-cookie: b\r\n\r\n").await;
        let name = || "set-cookie".to_owned();
        let expected = [(name(), b"a=\xff".to_vec()), (name(), b"b".to_vec())];
        assert_eq!(raw.unwrap().headers, expected);
    }

    #[tokio::test]
    async fn half_a_response_and_one_and_a_half_are_none() {
        let cases: [&[u8]; 6] = [
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Le",
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc",
            b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ];
        for bytes in cases {
            assert!(read(bytes).await.is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
