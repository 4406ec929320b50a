//! Ports that nobody else takes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of 127.0.0.1, free for a server of ours to listen on.
///
/// On Linux it stays ours, so that a server can be stopped and started again: a socket is bound
/// to it, which lets others in only if they ask for `SO_REUSEADDR` and it does not listen itself.
/// Servers do ask for it; whoever looks for a free port, or connects to somewhere, is not given
/// this one. Elsewhere the system does not make that difference, and the port is given up at once.
///
/// ```
/// use session_testkit::servers::Port;
///
/// # #[tokio::main]
/// # async fn main() -> std::io::Result<()> {
/// let port = Port::reserve()?;
/// let service = tokio::net::TcpListener::bind(port.address()).await?;
/// drop(service);
/// let again = tokio::net::TcpListener::bind(port.address()).await?;
/// # drop(again);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Port {
    number: u16,
    _held: Option<TcpSocket>,
}

impl Port {
    /// Any that is free.
    ///
    /// # Errors
    ///
    /// If the system has none to give.
    pub fn reserve() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let number = socket.local_addr()?.port();
        // Not before it is bound, or it would be let into ports that others hold like this.
        socket.set_reuseaddr(true)?;
        Ok(Self { number, _held: cfg!(target_os = "linux").then_some(socket) })
    }

    /// The number of the port.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// The port, at 127.0.0.1.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}
