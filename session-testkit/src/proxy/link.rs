//! One connection from a client, and the one to the server that belongs to it.

use std::future::pending;
use std::io;
use std::net::SocketAddr;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::fault::{Direction, State};
use super::gate::{Gate, Verdict};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// How many chunks may be on their way in one direction; then the sender has to wait.
const CHUNKS: usize = 64;

/// Relays between `client` and `target` until both have closed, or a fault ends it.
pub(super) async fn serve(
    mut client: TcpStream,
    target: SocketAddr,
    state: watch::Receiver<State>,
) {
    let mut server = tokio::select! {
        biased;
        () = severed(state.clone()) => return reset(&client),
        connected = TcpStream::connect(target) => match connected {
            Ok(server) => server,
            Err(_) => return reset(&client),
        },
    };
    let ended = tokio::select! {
        biased;
        () = severed(state.clone()) => Err(Ended::Broken),
        ended = relay(&mut client, &mut server, &state) => ended,
    };
    if matches!(ended, Err(Ended::Broken)) {
        reset(&client);
        reset(&server);
    }
}

/// Has this stream end in a reset when it is dropped.
pub(super) fn reset(stream: &TcpStream) {
    // Fails only if the connection is gone, which is what was asked for.
    let _ = stream.set_zero_linger();
}

/// Why a connection is over before both sides have closed it.
enum Ended {
    /// One side is gone, and the other is told so by a reset.
    Broken,
    /// The fault was to close it here.
    Cut,
}

/// Returns when there is a fault that leaves no connection open, or no proxy any more.
async fn severed(mut state: watch::Receiver<State>) {
    let _ = state.wait_for(State::severs).await;
}

async fn relay(
    client: &mut TcpStream,
    server: &mut TcpStream,
    state: &watch::Receiver<State>,
) -> Result<(), Ended> {
    // Each write is to be a segment of its own.
    for stream in [&*client, &*server] {
        stream.set_nodelay(true).map_err(|_| Ended::Broken)?;
    }
    let seen_as = server.local_addr().map_err(|_| Ended::Broken)?;
    let gate = |direction| Gate::new(direction, seen_as);
    let (client_reads, client_writes) = client.split();
    let (server_reads, server_writes) = server.split();
    tokio::try_join!(
        Pump::run(client_reads, server_writes, state, gate(Direction::ToServer)),
        Pump::run(server_reads, client_writes, state, gate(Direction::ToClient)),
    )?;
    Ok(())
}

/// Something that came from one side, on its way to the other.
struct Arrival {
    at: Instant,
    news: News,
}

enum News {
    Bytes(Vec<u8>),
    /// There will be no more.
    End,
    /// The sender is gone.
    Broken,
}

/// Takes everything that comes from one side, and hands it to the other as the fault allows.
struct Pump<'a> {
    sink: WriteHalf<'a>,
    state: watch::Receiver<State>,
    gate: Gate,
}

impl<'a> Pump<'a> {
    async fn run(
        source: ReadHalf<'a>,
        sink: WriteHalf<'a>,
        state: &watch::Receiver<State>,
        gate: Gate,
    ) -> Result<(), Ended> {
        let (sender, arrivals) = mpsc::channel(CHUNKS);
        let pump = Self { sink, state: state.clone(), gate };
        let reading = async {
            read(source, sender).await;
            // What it has read is still to be delivered.
            pending().await
        };
        tokio::select! {
            delivered = pump.deliver(arrivals) => delivered,
            never = reading => never,
        }
    }

    async fn deliver(mut self, mut arrivals: mpsc::Receiver<Arrival>) -> Result<(), Ended> {
        while let Some(Arrival { at, news }) = arrivals.recv().await {
            match news {
                News::Bytes(bytes) => self.write_all(at, &bytes).await?,
                News::End => {
                    self.passable(at).await?;
                    self.sink.shutdown().await.map_err(|_| Ended::Broken)?;
                }
                News::Broken => {
                    self.passable(at).await?;
                    return Err(Ended::Broken);
                }
            }
        }
        Ok(())
    }

    async fn write_all(&mut self, at: Instant, bytes: &[u8]) -> Result<(), Ended> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.write(at, rest) {
                Step::Wrote(count) => rest = &rest[count..],
                Step::Full => {
                    tokio::select! {
                        writable = self.sink.writable() => writable.map_err(|_| Ended::Broken)?,
                        changed = self.state.changed() => changed.map_err(|_| Ended::Broken)?,
                    }
                    continue;
                }
                Step::Judged(Verdict::Cut) => return self.cut().await,
                Step::Judged(verdict) => {
                    self.wait(verdict).await?;
                    continue;
                }
                Step::Broken => return Err(Ended::Broken),
            }
            // Whoever reads it may be on the same thread.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Writes what may be written now. The state cannot change in between.
    fn write(&mut self, at: Instant, bytes: &[u8]) -> Step {
        let state = self.state.borrow_and_update();
        let limit = match self.gate.judge(&state, at, Instant::now()) {
            Verdict::Pass(limit) => limit.min(bytes.len()),
            verdict => return Step::Judged(verdict),
        };
        match self.sink.try_write(&bytes[..limit]) {
            Ok(count) if self.gate.pass(&state, count, Instant::now()) => {
                Step::Judged(Verdict::Cut)
            }
            Ok(count) => Step::Wrote(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Step::Full,
            Err(_) => Step::Broken,
        }
    }

    /// Returns when something without bytes may pass.
    async fn passable(&mut self, at: Instant) -> Result<(), Ended> {
        loop {
            let verdict = self.gate.judge(&self.state.borrow_and_update(), at, Instant::now());
            match verdict {
                Verdict::Pass(_) | Verdict::Cut => return Ok(()),
                verdict => self.wait(verdict).await?,
            }
        }
    }

    async fn wait(&mut self, verdict: Verdict) -> Result<(), Ended> {
        let until = async {
            match verdict {
                Verdict::Wait(until) => sleep_until(until).await,
                _ => pending().await,
            }
        };
        tokio::select! {
            () = until => Ok(()),
            changed = self.state.changed() => changed.map_err(|_| Ended::Broken),
        }
    }

    /// Closes in an orderly way, so that what has been sent is not lost.
    async fn cut(&mut self) -> Result<(), Ended> {
        let _ = self.sink.shutdown().await;
        Err(Ended::Cut)
    }
}

/// What became of an attempt to write.
enum Step {
    Wrote(usize),
    Full,
    Judged(Verdict),
    Broken,
}

async fn read(source: ReadHalf<'_>, sender: mpsc::Sender<Arrival>) {
    loop {
        let mut bytes = Vec::with_capacity(CHUNK);
        if source.readable().await.is_err() {
            return;
        }
        let news = match source.try_read_buf(&mut bytes) {
            Ok(0) => News::End,
            Ok(_) => News::Bytes(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => News::Broken,
        };
        let is_last = !matches!(news, News::Bytes(_));
        let arrival = Arrival { at: Instant::now(), news };
        if sender.send(arrival).await.is_err() || is_last {
            return;
        }
    }
}
