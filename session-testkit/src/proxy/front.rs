//! The address that clients connect to.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::fault::{Fault, State};
use super::link;

/// As many as may wait to be accepted.
const BACKLOG: u32 = 128;

/// A TCP proxy in front of a server, on a free port of 127.0.0.1.
///
/// It is run by the runtime that it was started on, and ends with that runtime or when it is
/// dropped, which closes every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    /// The generation that those who accept connections know of.
    adopted: watch::Receiver<u64>,
    open: watch::Receiver<usize>,
    accepted: Arc<AtomicU64>,
    /// Held by whoever changes the state, until that has taken effect.
    turn: Mutex<()>,
    acceptor: AbortHandle,
    /// Keeps the port ours while nobody listens on it.
    _port: TcpSocket,
}

impl Proxy {
    /// Puts a proxy in front of `target`, which need not be there yet.
    ///
    /// # Panics
    ///
    /// If there is no free port, or no tokio runtime.
    // Asynchronous because it must be called within a runtime.
    #[expect(clippy::unused_async)]
    pub async fn start(target: SocketAddr) -> Self {
        let port = bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port for a proxy");
        let address = port.local_addr().expect("the address of a socket that is bound");
        let listener = listen(address).expect("listening on a port that is ours");

        let (state, changes) = watch::channel(State::default());
        let (adopting, adopted) = watch::channel(0);
        let (opened, open) = watch::channel(0);
        let accepted = Arc::new(AtomicU64::new(0));
        let acceptor = Acceptor {
            address,
            target,
            state: changes,
            adopted: adopting,
            open: Arc::new(opened),
            accepted: Arc::clone(&accepted),
        };
        let acceptor = tokio::spawn(acceptor.run(listener)).abort_handle();
        let turn = Mutex::new(());
        Self { address, state, adopted, open, accepted, turn, acceptor, _port: port }
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on everything goes wrong in this way, and in no other.
    ///
    /// When this returns it is so, for existing connections and for new ones: no byte passes
    /// that should not, and connections to be reset have been. Each connection counts its bytes
    /// and its time anew.
    ///
    /// # Panics
    ///
    /// If the runtime that the proxy was started on has ended.
    pub async fn set(&self, fault: Fault) {
        self.change(Some(fault), None).await;
    }

    /// As [`set`](Self::set), for these connections alone: all is well with others, and with those to
    /// come. They are told apart by the addresses that the server sees them come from, which is what
    /// Redis lists in `CLIENT LIST`.
    ///
    /// # Panics
    ///
    /// As [`set`](Self::set), and if the fault is [`Fault::Refuse`] or [`Fault::Reset`]: those are
    /// about the port.
    pub async fn set_on(&self, connections: &[SocketAddr], fault: Fault) {
        assert!(!fault.severs(), "{fault:?} concerns all connections");
        self.change(Some(fault), Some(connections.into())).await;
    }

    /// From now on all is well. What was held back is delivered.
    ///
    /// # Panics
    ///
    /// As [`set`](Self::set).
    pub async fn heal(&self) {
        self.change(None, None).await;
    }

    /// How many connections are open.
    ///
    /// One whose end is held back, by a [`Blackhole`](Fault::Blackhole) or a
    /// [`Delay`](Fault::Delay), still is.
    pub fn connections(&self) -> usize {
        *self.open.borrow()
    }

    /// How many connections have been accepted so far, including those that were reset at once.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::SeqCst)
    }

    async fn change(&self, fault: Option<Fault>, only: Option<Arc<[SocketAddr]>>) {
        const ENDED: &str = "the runtime that the proxy was started on has ended";

        let _turn = self.turn.lock().await;
        self.state.send_modify(|state| {
            state.fault = fault;
            state.only = only;
            state.generation += 1;
        });
        let generation = self.state.borrow().generation;
        let mut adopted = self.adopted.clone();
        adopted.wait_for(|adopted| *adopted >= generation).await.expect(ENDED);
        if fault.is_some_and(Fault::severs) {
            self.open.clone().wait_for(|open| *open == 0).await.expect(ENDED);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

/// Accepts connections, and is the parent of their tasks.
struct Acceptor {
    address: SocketAddr,
    target: SocketAddr,
    state: watch::Receiver<State>,
    adopted: watch::Sender<u64>,
    open: Arc<watch::Sender<usize>>,
    accepted: Arc<AtomicU64>,
}

impl Acceptor {
    async fn run(mut self, listener: TcpListener) {
        let mut listener = Some(listener);
        let mut links = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                changed = self.state.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let State { fault, generation, .. } = *self.state.borrow_and_update();
                    listener = match listener {
                        _ if fault == Some(Fault::Refuse) => None,
                        None => Some(listen(self.address).expect("listening on a port that is ours")),
                        listening => listening,
                    };
                    self.adopted.send_replace(generation);
                }
                Some(_) = links.join_next() => {}
                accepted = accept(listener.as_ref()) => {
                    // Another attempt is all that can be made of an error here.
                    if let Ok(client) = accepted {
                        self.serve(client, &mut links);
                    }
                }
            }
        }
    }

    fn serve(&self, client: TcpStream, links: &mut JoinSet<()>) {
        self.accepted.fetch_add(1, Ordering::SeqCst);
        if self.state.borrow().severs() {
            link::reset(&client);
            return;
        }
        let open = Open::new(&self.open);
        let (target, state) = (self.target, self.state.clone());
        links.spawn(async move {
            link::serve(client, target, state).await;
            drop(open);
        });
    }
}

/// Counts as an open connection.
struct Open(Arc<watch::Sender<usize>>);

impl Open {
    fn new(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|open| *open += 1);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(client, _)| client),
        None => pending().await,
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address)?.listen(BACKLOG)
}

/// A socket that shares its port with others of ours, of which only one listens.
fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}
