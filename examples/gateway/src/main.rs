//! `gateway`: reads its arguments, answers until it is told to stop, and finishes what it has
//! begun.

mod arguments;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use session_kit::config::Config;
use session_kit::{ErrorKind, Sessions};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::arguments::{Asked, USAGE};

/// How long requests may take to finish once the gateway is to stop: more than any store has.
const DRAIN: Duration = Duration::from_secs(10);

/// How long the store may take to write down what it has put off.
const WRITE_DOWN: Duration = Duration::from_secs(5);

/// For an exit status: what was asked for makes no sense.
const MISUSE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .init();
    let (config, listen) = match Asked::parse(lexopt::Parser::from_env()) {
        Ok(Asked::Serve { config, listen }) => (config, listen),
        Ok(Asked::Help) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("gateway: {error}\n\n{USAGE}");
            return ExitCode::from(MISUSE);
        }
    };
    match run(&config, listen).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gateway: {error}");
            let misuse = error
                .downcast_ref()
                .is_some_and(|error: &session_kit::Error| error.kind() == ErrorKind::Misconfigured);
            if misuse { ExitCode::from(MISUSE) } else { ExitCode::FAILURE }
        }
    }
}

async fn run(config: &Path, listen: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    let sessions = Config::load(config)?.build()?;
    // Before anybody is told that the gateway is ready, and may stop it.
    let told_to_stop = told_to_stop()?;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|connection| {
        // An answer is written in one piece; there is nothing to wait for.
        let _ = connection.set_nodelay(true);
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, gateway::app(sessions.clone()))
        .with_graceful_shutdown(async { stopped.await.unwrap_or_default() })
        .into_future();

    let mut output = std::io::stdout();
    writeln!(output, "listening on http://{address}")?;
    output.flush()?;

    let drained = async {
        told_to_stop.await;
        drop(stop);
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = server => served?,
        () = drained => tracing::warn!("some requests did not end in time"),
    }
    write_down(&sessions).await;
    Ok(())
}

/// Touches that the store has put off: that somebody was at work must not be forgotten.
async fn write_down(sessions: &Sessions) {
    match tokio::time::timeout(WRITE_DOWN, sessions.flush()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "that some sessions were in use was not written down");
        }
        Err(_) => tracing::warn!("that some sessions were in use was not written down in time"),
    }
}

/// Listens from now on for what asks a process to stop.
#[cfg(unix)]
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}
