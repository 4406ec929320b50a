//! Runs the conformance suite against [`MapStore`] and says how each clause went.
//!
//! Run it with `cargo run -p custom-store`.

use std::process::ExitCode;

use custom_store::MapStore;
use session_testkit::{Harness, InProcess, ManualClock, clauses};

async fn harness() -> impl Harness {
    let clock = ManualClock::default();
    InProcess::new(MapStore::new(clock.clone()), clock)
}

fn main() -> ExitCode {
    let mut broken = 0;
    for clause in clauses::all() {
        match clause.report(harness) {
            Ok(()) => println!("kept    {}", clause.name()),
            Err(failure) => {
                println!("BROKEN  {}: {failure}", clause.name());
                broken += 1;
            }
        }
    }
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
