//! `observability`: serves the counter on port 3000, and tells a collector.

use observability::{Telemetry, app, sessions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let collector = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT");
    let collector = collector.unwrap_or_else(|_| "http://127.0.0.1:4318".to_owned());
    let telemetry = Telemetry::to(&collector)?;
    tracing::subscriber::set_global_default(telemetry.subscriber())?;
    let sessions = sessions(telemetry.meter())?;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}, telling {collector}", listener.local_addr()?);
    let stopped = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    axum::serve(listener, app(sessions.clone())).with_graceful_shutdown(stopped).await?;

    sessions.flush().await?;
    tokio::task::spawn_blocking(move || telemetry.shutdown()).await??;
    Ok(())
}
