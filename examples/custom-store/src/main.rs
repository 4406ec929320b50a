//! Composes sessions in files from `custom-store.toml`, and counts a visitor's visits in them,
//! each time as a process would that has just been started.
//!
//! Run it with `SESSIONS=/tmp/sessions cargo run -p custom-store`.

use std::process::ExitCode;

use custom_store::FileSettings;
use session_kit::Error;
use session_kit::config::Registry;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/custom-store.toml");

#[tokio::main]
async fn main() -> ExitCode {
    match count_visits().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("custom-store: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn count_visits() -> Result<(), Error> {
    let registry = Registry::new().kind("file", FileSettings::build);
    let mut cookie: Option<String> = None;
    for _ in 0..3 {
        let sessions = registry.load(FILE)?.build()?;
        let visitor = sessions.open(cookie.as_deref().map(str::as_bytes));
        let session = visitor.load().await?;
        session.update("visits", |visits: Option<u64>| visits.unwrap_or(0) + 1)?;
        println!("This is visit number {}.", session.get::<u64>("visits")?.unwrap_or(0));

        let finished = visitor.finish(false).await;
        if let Some(error) = finished.error {
            return Err(error);
        }
        // What a browser would keep of `Set-Cookie`.
        if let Some(header) = finished.header {
            cookie = header.split(';').next().map(str::to_owned);
        }
    }
    Ok(())
}
