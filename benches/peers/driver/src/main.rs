//! What sessions cost, on session-kit and on its peers, in one run: starts Redis, PostgreSQL and a
//! server process for each variant, asks them all in turns, checks that they did their work, and
//! writes the tables. `cargo xtask bench` builds and runs it.

mod options;
mod variants;

// What is asked, and how.
mod connection;
mod load;
mod places;
mod redis_counts;
mod server;

// The comparison.
mod cell;
mod comparison;
mod lost_updates;
mod memory;
mod results;

// Two experiments more.
mod experiment;
mod latency;
mod scaling;

// What is told.
mod environment;
mod goals;
mod markdown;
mod summary;
mod svg;

use std::process::ExitCode;

use self::options::{Command, Options};

/// Whatever spoils a run.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let options = match Options::parse(lexopt::Parser::from_env()) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("bench: {error}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    // One worker: what asks must not crowd out what is asked.
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let outcome =
        runtime.worker_threads(1).enable_all().build().map_err(Failure::from).and_then(|runtime| {
            runtime.block_on(async {
                match options.command {
                    Command::Compare => comparison::run(&options).await,
                    Command::Latency => latency::run(&options).await,
                    Command::Scaling => scaling::run(&options).await,
                }
            })
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: refused: {error}");
            ExitCode::FAILURE
        }
    }
}
