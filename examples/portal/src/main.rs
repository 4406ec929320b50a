//! `portal`: reads its arguments, serves until it is told to stop, and finishes what it has begun.

mod arguments;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use portal::Metrics;
use session_kit::Sessions;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::arguments::{Arguments, Asked, USAGE};

/// How long requests may take to finish once the portal is to stop: a little more than the
/// longest that it lets a client ask for.
const DRAIN: Duration = Duration::from_secs(65);

/// How long the store may take to write down what it has put off.
const WRITE_DOWN: Duration = Duration::from_secs(5);

const TOLD_TWICE: &str = "told to stop twice";

/// For an exit status: what was asked for makes no sense.
const MISUSE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .init();
    let arguments = match Asked::parse(lexopt::Parser::from_env()) {
        Ok(Asked::Serve(arguments)) => arguments,
        Ok(Asked::Help) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("portal: {error}\n\n{USAGE}");
            return ExitCode::from(MISUSE);
        }
    };
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("portal: {error}");
            let misuse = error.downcast_ref().is_some_and(|error: &session_kit::Error| {
                error.kind() == session_kit::ErrorKind::Misconfigured
            });
            if misuse { ExitCode::from(MISUSE) } else { ExitCode::FAILURE }
        }
    }
}

type Failure = Box<dyn std::error::Error>;

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { config, listen, debug_headers } = arguments;
    let metrics = Metrics::new()?;
    let config = portal::config(config.as_deref())?.meter(metrics.meter());
    let sessions = config.build()?;
    let app = portal::app(sessions.clone(), metrics, debug_headers);

    // Before anybody is told that the portal is ready, and may stop it.
    let mut signals = Signals::new()?;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|connection| {
        // An answer is written in one piece; there is nothing to wait for.
        let _ = connection.set_nodelay(true);
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service)
        .with_graceful_shutdown(async { stopped.await.unwrap_or_default() })
        .into_future();

    let mut output = std::io::stdout();
    writeln!(output, "listening on http://{address}")?;
    output.flush()?;

    let impatience = async {
        signals.next().await;
        drop(stop);
        tokio::select! {
            () = signals.next() => Err(Failure::from(TOLD_TWICE)),
            () = tokio::time::sleep(DRAIN) => {
                // Of clients that do not finish what they send, nothing is left to wait for.
                tracing::warn!("some requests did not end in time");
                Ok(())
            }
        }
    };
    tokio::select! {
        served = server => served?,
        ended = impatience => ended?,
    }
    tokio::select! {
        () = write_down(&sessions) => Ok(()),
        () = signals.next() => Err(TOLD_TWICE.into()),
    }
}

/// Touches that the store has put off. All else was saved before it was answered, so that a store
/// that cannot be reached any more keeps nobody from stopping.
async fn write_down(sessions: &Sessions) {
    match tokio::time::timeout(WRITE_DOWN, sessions.flush()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "that some sessions were in use was not written down");
        }
        Err(_) => tracing::warn!("that some sessions were in use was not written down in time"),
    }
}

/// What asks a process to stop.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
