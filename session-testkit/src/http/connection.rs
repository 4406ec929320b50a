//! One connection, and requests over it in turn.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::laws;
use super::request::Request;
use super::response::Response;
use super::target::Target;
use super::wire::{Raw, Wire};

/// Servers close connections that nobody uses; one that was idle for longer is opened anew,
/// instead of finding out in the middle of a request.
const IDLE: Duration = Duration::from_secs(1);

/// A connection to the server: one request at a time, opened again when need be.
///
/// No request is ever sent a second time, so what happened twice was the server's doing.
#[derive(Debug)]
pub struct Connection {
    target: Target,
    open: Option<(TcpStream, Instant)>,
}

/// Why there is no response: the server closed the connection, or sent something else.
#[derive(Debug)]
pub struct Refused(io::Error);

impl Refused {
    /// Whether the server hung up, rather than sending nonsense.
    pub fn is_hang_up(&self) -> bool {
        self.0.kind() != io::ErrorKind::InvalidData
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no response: {}", self.0)
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl Connection {
    pub(super) fn new(target: Target) -> Self {
        Self { target, open: None }
    }

    /// The response to a request that any server must understand.
    ///
    /// # Panics
    ///
    /// If there is none, or it breaks a [law](laws).
    pub async fn send(&mut self, request: &Request) -> Response {
        let response = self
            .attempt(request)
            .await
            .unwrap_or_else(|refused| panic!("{} {}: {refused}", request.method(), request.path()));
        laws::errors_are_typed(&response);
        response
    }

    /// The response to a request that the server may refuse to read, in whatever form its
    /// framework does so.
    ///
    /// # Errors
    ///
    /// The server hung up, or sent something that is no response.
    ///
    /// # Panics
    ///
    /// If the response breaks a [law](laws), or there is neither a response nor a hang-up in time.
    pub async fn attempt(&mut self, request: &Request) -> Result<Response, Refused> {
        let asked = format!("{} {}", request.method(), request.path());
        let limit = self.target.deadline();
        let raw = tokio::time::timeout(limit, self.exchange(request))
            .await
            .unwrap_or_else(|_| panic!("{asked}: no response within {limit:?}"))
            .map_err(Refused)?;
        let Raw { status, headers, body, keep_alive: _ } = raw;
        let response = Response { asked, status, headers, body };
        laws::hold(self.target.cookie_name(), request, &response);
        Ok(response)
    }

    /// Opens the connection, so that the next request takes no longer than it must.
    ///
    /// # Panics
    ///
    /// If the server does not let it.
    pub async fn open(&mut self) {
        let address = self.target.address();
        let limit = self.target.deadline();
        let stream = tokio::time::timeout(limit, self.stream())
            .await
            .unwrap_or_else(|_| panic!("{address} accepts no connection within {limit:?}"))
            .unwrap_or_else(|error| panic!("{address} accepts no connection: {error}"));
        self.open = Some((stream, Instant::now()));
    }

    async fn exchange(&mut self, request: &Request) -> io::Result<Raw> {
        let bytes = request.to_bytes(&self.target.address().to_string());
        let mut stream = self.stream().await?;
        let (reader, mut writer) = stream.split();
        let mut wire = Wire::new(reader);
        let (raw, wrote_all) = {
            let mut response = std::pin::pin!(wire.response());
            // A server may answer before it has read everything, and then read no further.
            tokio::select! {
                raw = &mut response => (raw?, false),
                written = writer.write_all(&bytes) => match (response.await, written) {
                    (Ok(raw), written) => (raw, written.is_ok()),
                    (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(error),
                },
            }
        };
        // A server that refuses a body may have left some of it unread, and then hangs up.
        let read_all = raw.status < 400 || !request.has_body();
        if raw.keep_alive && wrote_all && read_all {
            self.open = Some((stream, Instant::now()));
        }
        Ok(raw)
    }

    /// The open connection, taken out: whoever does not finish a request does not put it back.
    async fn stream(&mut self) -> io::Result<TcpStream> {
        if let Some((stream, used)) = self.open.take()
            && used.elapsed() < IDLE
            && is_quiet(&stream)
        {
            return Ok(stream);
        }
        let stream = TcpStream::connect(self.target.address()).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Whether the server has neither closed the connection nor said something unasked.
fn is_quiet(stream: &TcpStream) -> bool {
    let read = stream.try_read(&mut [0]);
    read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests;
