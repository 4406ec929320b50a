//! `portal`: reads its arguments, serves until it is told to stop, and finishes what it has begun.

mod arguments;
mod reload;

use std::io::Write as _;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use portal::Metrics;
use session_kit::Sessions;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::arguments::{Arguments, Asked, Framework, USAGE};
use self::reload::Reload;

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
    let worth_telling = Targets::new()
        .with_default(LevelFilter::WARN)
        // Whatever a client sends that is no HTTP would be an error here.
        .with_target("actix_http", LevelFilter::OFF);
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(log).with(worth_telling).init();
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
    let Arguments { config, listen, framework, debug_headers } = arguments;
    let metrics = Metrics::new()?;
    let file = config;
    let config = portal::config(file.as_deref())?.meter(metrics.meter());
    let sessions = config.build()?;

    // Before anybody is told that the portal is ready, and may stop it.
    let mut signals = Signals::new()?;
    Reload { file, config, sessions: sessions.clone() }.on_hangup()?;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { stopped.await.unwrap_or_default() };
    let server: Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>> = match framework {
        Framework::Axum => {
            let app = portal::axum::app(sessions.clone(), metrics, debug_headers);
            Box::pin(portal::axum::serve(app, listener, stopped))
        }
        Framework::Actix => {
            let shared = portal::actix::Shared::new(sessions.clone(), metrics, debug_headers);
            Box::pin(portal::actix::serve(shared, listener.into_std()?, stopped))
        }
    };

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
