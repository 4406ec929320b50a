//! What the driver asks by way of the standard input: this process' CPU time, to the nanosecond.

use std::io::BufRead as _;

/// Answers each line with the CPU time so far, in nanoseconds; ends the process with its input, so
/// that none stays behind when the driver is gone.
pub(crate) fn obey() {
    std::thread::spawn(|| {
        for line in std::io::stdin().lock().lines() {
            match line.as_deref() {
                Ok("cpu") => println!("cpu {}", cpu_nanos()),
                _ => break,
            }
        }
        std::process::exit(0);
    });
}

/// What this process has used so far.
pub(crate) fn cpu_nanos() -> i128 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}
