//! A TCP proxy that spoils the connections through it.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use session_testkit::proxy::{Fault, Proxy};
//! use tokio::io::AsyncReadExt;
//! use tokio::net::{TcpListener, TcpStream};
//!
//! let server = TcpListener::bind("127.0.0.1:0").await?;
//! let proxy = Proxy::start(server.local_addr()?).await;
//! let mut client = TcpStream::connect(proxy.address()).await?;
//! server.accept().await?;
//!
//! proxy.set(Fault::Refuse).await;
//! assert!(client.read_u8().await.is_err());
//! assert!(TcpStream::connect(proxy.address()).await.is_err());
//! proxy.heal().await;
//! assert!(TcpStream::connect(proxy.address()).await.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! What it relays it knows nothing of: it serves Redis as well as HTTP. Servers that tell their
//! clients where else to connect to, as those of a cluster do, name themselves and not the proxy.

mod fault;
mod front;
mod gate;
mod link;

pub use fault::{Direction, Fault};
pub use front::Proxy;
