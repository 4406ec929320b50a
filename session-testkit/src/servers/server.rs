//! What all servers have in common.

use std::time::Duration;
use std::{fmt, io};

use super::port::Port;
use super::process::Process;
use super::program::Program;
use crate::patience::Patience;

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(20);

/// How long the answer to a command may take.
pub(super) const RESPONSE: Duration = Duration::from_secs(30);

/// How long it may take while somebody polls for something.
pub(super) const POLL: Duration = Duration::from_secs(2);

/// Tries at finding a free port, where they cannot be held.
const ATTEMPTS: usize = 5;

/// A process, and the port that it listens on.
pub(super) struct Server {
    /// What its users call it.
    name: &'static str,
    pub(super) process: Process,
    pub(super) port: Port,
}

/// What stands for a server in a test.
pub(super) trait Fixture {
    fn server(&self) -> &Server;

    /// Waits until the server answers.
    fn ready(&self) -> impl Future<Output = io::Result<()>> + Send;
}

impl Server {
    /// A server with an empty folder, not started yet.
    pub(super) fn new(
        name: &'static str,
        program: Program,
        arguments: Vec<String>,
    ) -> io::Result<Self> {
        Ok(Self { name, process: Process::new(program, arguments)?, port: Port::reserve()? })
    }

    /// Waits until a question is answered.
    pub(super) async fn wait_for_answer<F, T, E>(
        &self,
        ask: impl Fn() -> F + Send,
    ) -> io::Result<()>
    where
        F: Future<Output = Result<T, E>> + Send,
        T: Send,
        E: fmt::Display + Send,
    {
        let patience = Patience::new(START);
        while let Err(error) = ask().await {
            // Looked at after the failure, because the answer may come from nobody else.
            if !self.process.is_running() {
                return Err(io::Error::other(format!("{} has ended", self.program())));
            }
            let what = format!("{} to answer: {error}", self.program());
            patience.wait_for(self.report(what)).await;
        }
        Ok(())
    }

    /// A message together with the last lines of the log, which is not read unless it is needed.
    pub(super) fn report<W>(&self, what: W) -> Report<'_, W> {
        Report { server: self, what }
    }

    pub(super) fn fail(&self, doing: impl fmt::Debug, why: &impl fmt::Display) -> ! {
        panic!("{}", self.report(format_args!("{doing:?}: {why}")))
    }

    fn program(&self) -> String {
        self.process.program().name()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.name)
            .field("address", &self.port.address())
            .field("pid", &self.process.id())
            .finish_non_exhaustive()
    }
}

/// Reads the log when it is displayed.
pub(super) struct Report<'a, W> {
    server: &'a Server,
    what: W,
}

impl<W: fmt::Display> fmt::Display for Report<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, what } = self;
        write!(f, "{what}\n--- log of {server:?}\n{}\n---", server.process.log_tail())
    }
}

/// Starts a server where waiting does no harm, and returns at once.
pub(super) async fn launch<B: Send + 'static, S: Send + 'static>(
    program: &str,
    builder: B,
    launch: fn(B) -> io::Result<S>,
) -> S {
    let launched = tokio::task::spawn_blocking(move || launch(builder)).await;
    match launched {
        Ok(launched) => launched.unwrap_or_else(|error| panic!("starting {program}: {error}")),
        // That a program is missing, for instance.
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

/// Waits until a server answers, or another one, if somebody has taken the first one's port.
pub(super) async fn settle<S, L>(mut fixture: S, launch: impl Fn() -> L + Send) -> S
where
    S: Fixture + Send + Sync,
    L: Future<Output = S> + Send,
{
    for _ in 1..ATTEMPTS {
        match fixture.ready().await {
            Ok(()) => return fixture,
            Err(_) if fixture.server().process.log().contains("Address already in use") => {
                fixture = launch().await;
            }
            Err(error) => fixture.server().fail("starting", &error),
        }
    }
    fixture.server().fail("starting", &"no port stayed free")
}

/// What can be done with every [`Fixture`], as methods of its own.
macro_rules! controls {
    ($fixture:ident) => {
        impl $fixture {
            /// Where it listens.
            pub fn address(&self) -> std::net::SocketAddr {
                self.server.port.address()
            }

            /// The port of its address.
            pub fn port(&self) -> u16 {
                self.server.port.number()
            }

            /// The process id, while it is running or paused.
            pub fn pid(&self) -> Option<u32> {
                self.server.process.id()
            }

            /// All that the server has logged.
            pub fn log(&self) -> String {
                self.server.process.log()
            }

            /// Stops the process, and those that it has started, with SIGSTOP: connections stay
            /// open, and nobody answers. Returns when all have stopped.
            ///
            /// # Panics
            ///
            /// If it is not running.
            pub fn pause(&self) {
                let paused = self.server.process.pause();
                paused.unwrap_or_else(|error| self.server.fail("pausing", &error));
            }

            /// Continues what is paused: it answers all that has piled up.
            ///
            /// # Panics
            ///
            /// If it is not running.
            pub fn resume(&self) {
                let resumed = self.server.process.resume();
                resumed.unwrap_or_else(|error| self.server.fail("resuming", &error));
            }

            /// Kills the process, and those that it has started, with SIGKILL, and returns when
            /// all are gone. Does nothing if they are.
            pub fn kill(&self) {
                self.server.process.kill();
            }

            /// Starts the server again, on the same port and with the same files; one that is
            /// running is killed first. Returns when it answers, having loaded its data.
            ///
            /// # Panics
            ///
            /// If it does not.
            pub async fn restart(&self) {
                self.restart_unready();
                let ready = $crate::servers::server::Fixture::ready(self).await;
                ready.unwrap_or_else(|error| self.server.fail("restarting", &error));
            }

            /// As [`restart`](Self::restart), but returns at once.
            ///
            /// # Panics
            ///
            /// If the program cannot be started.
            pub fn restart_unready(&self) {
                let started = self.server.process.start();
                started.unwrap_or_else(|error| self.server.fail("restarting", &error));
            }
        }

        impl std::fmt::Debug for $fixture {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.server.fmt(f)
            }
        }
    };
}
pub(super) use controls;
