//! How many instructions whole requests take, counted by callgrind: a figure that neighbours on
//! the machine do not change. `cargo xtask lint` compares it with what is written down, and
//! `cargo xtask instructions` writes it down.
//!
//! Not gungraun: its runner is a program of its own, to be installed in just the library's version.
//! What is needed of it here is one number for each scenario, which valgrind prints.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

use crate::command::Cmd;
use crate::report::Report;

/// What is written down. Figures depend on the compiler, on valgrind, on the C library, and on the
/// processor, by which that chooses how it copies bytes; on nothing else beyond the tolerance.
#[derive(Debug, Deserialize, Serialize)]
struct Expected {
    machine: String,
    /// For each scenario, a request's.
    instructions: BTreeMap<String, u64>,
}

/// Writes down what is so now, and shows how it was.
pub(crate) fn run() -> Result<(), String> {
    let valgrind = version().ok_or(MISSING)?;
    let before = read().map(|expected| expected.instructions).unwrap_or_default();
    let scenarios = scenarios()?;
    let mut instructions = BTreeMap::new();
    for name in &scenarios {
        instructions.insert(name.clone(), count(name)?);
    }
    println!("| request | instructions | over the floor | before |\n|---|---|---|---|");
    let floor = scenarios.first().and_then(|name| instructions.get(name)).copied().unwrap_or(1);
    for name in &scenarios {
        let (now, before) = (instructions[name], before.get(name).copied().unwrap_or(0));
        println!("| {name} | {now} | {:.2} | {before} |", now as f64 / floor as f64);
    }
    write(&Expected { machine: machine(&valgrind)?, instructions })
}

pub(crate) fn check(report: &mut Report) {
    let Some(valgrind) = version() else { return report.leave_out(WHAT, MISSING) };
    match (read(), machine(&valgrind)) {
        (Ok(expected), Ok(machine)) if expected.machine != machine => {
            let why = format!(
                "{EXPECTED} is of {}, and this is {machine}; `cargo xtask instructions` renews it",
                expected.machine
            );
            report.leave_out(WHAT, &why);
        }
        (Ok(expected), Ok(_)) => report.record(compare(&expected)),
        (Err(message), _) | (_, Err(message)) => report.record(Err(message)),
    }
}

fn compare(expected: &Expected) -> Result<(), String> {
    let mut wrong = Vec::new();
    for name in scenarios()? {
        let Some(&before) = expected.instructions.get(&name) else {
            wrong.push(format!("`{name}` is not written down"));
            continue;
        };
        let now = count(&name)?;
        eprintln!("{name}: {now} instructions, {before} expected");
        match Verdict::of(before, now) {
            Verdict::Same => {}
            Verdict::Less => eprintln!("fewer: `cargo xtask instructions` writes that down"),
            Verdict::More => {
                wrong.push(format!("`{name}` takes {now} instructions, {before} expected"));
            }
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{EXPECTED}: {}. If that is worth it, `cargo xtask instructions` renews it",
            wrong.join("; ")
        )),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Less,
    Same,
    More,
}

impl Verdict {
    fn of(before: u64, now: u64) -> Self {
        let slack = before * TOLERANCE_PERCENT / 100;
        match now {
            _ if now > before + slack => Self::More,
            _ if now + slack < before => Self::Less,
            _ => Self::Same,
        }
    }
}

/// A request's instructions: what so many requests more cost, each.
fn count(scenario: &str) -> Result<u64, String> {
    let few = collected(scenario, REQUESTS)?;
    let many = collected(scenario, 2 * REQUESTS)?;
    Ok(many.saturating_sub(few) / REQUESTS)
}

fn collected(scenario: &str, requests: u64) -> Result<u64, String> {
    let runner = format!("target.'cfg(all())'.runner = {VALGRIND:?}");
    let output = program().args(["--config", &runner, "--", scenario, &requests.to_string()]);
    let log = output.output()?;
    total(&log).ok_or_else(|| format!("callgrind tells no total:\n{log}"))
}

fn scenarios() -> Result<Vec<String>, String> {
    Ok(program().output()?.lines().map(str::to_owned).collect())
}

fn program() -> Cmd {
    Cmd::cargo("run").args(["--quiet", "--profile", "bench", "--package", "instructions"])
}

/// From `==4711== Collected : 12345`.
fn total(log: &str) -> Option<u64> {
    let line = log.lines().find_map(|line| line.split_once(" Collected : "))?.1;
    line.trim().parse().ok()
}

fn version() -> Option<String> {
    Cmd::new("valgrind").arg("--version").probe()
}

/// Compiler, valgrind, C library and processor.
fn machine(valgrind: &str) -> Result<String, String> {
    let compiler = Cmd::new("rustc").arg("-vV").output()?;
    let (release, host) = field(&compiler, "release")
        .zip(field(&compiler, "host"))
        .ok_or_else(|| format!("rustc tells no release:\n{compiler}"))?;
    let library = Cmd::new("getconf").arg("GNU_LIBC_VERSION").probe();
    let library = library.as_deref().map_or("an unknown C library", str::trim);
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = ["model name", "cpu family", "model"]
        .map(|name| field(&processors, name).unwrap_or("unknown"))
        .join(" ");
    Ok(format!("rustc {release} {host}, {}, {library}, {processor}", valgrind.trim()))
}

/// What stands behind a name and a colon, where it comes first.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find_map(|(told, value)| (told.trim_end() == name).then_some(value.trim()))
}

fn read() -> Result<Expected, String> {
    let text = fs::read_to_string(EXPECTED).map_err(|error| format!("{EXPECTED}: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{EXPECTED}: {error}"))
}

fn write(expected: &Expected) -> Result<(), String> {
    let text = serde_json::to_string_pretty(expected).map_err(|error| error.to_string())?;
    fs::write(EXPECTED, text + "\n").map_err(|error| format!("{EXPECTED}: {error}"))
}

const WHAT: &str = "instructions of a request";
const MISSING: &str = "valgrind is not installed";
const EXPECTED: &str = "benches/instructions/expected.json";
const VALGRIND: [&str; 4] =
    ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-fd=1"];
const REQUESTS: u64 = 2_000;
/// What other memory layouts make of the same program.
const TOLERANCE_PERCENT: u64 = 2;

#[cfg(test)]
mod tests {
    use super::{Verdict, total};

    #[test]
    fn the_total_is_found_in_what_callgrind_says() {
        let log = "==4711== \n==4711== Events    : Ir\n==4711== Collected : 8143097\n==4711== \n";
        assert_eq!(total(log), Some(8_143_097));
        assert_eq!(total("==4711== Command: instructions floor 1000\n"), None);
    }

    #[test]
    fn what_lies_within_the_tolerance_is_the_same() {
        let verdicts = [9_700, 9_800, 10_000, 10_200, 10_201].map(|now| Verdict::of(10_000, now));
        assert_eq!(
            verdicts,
            [Verdict::Less, Verdict::Same, Verdict::Same, Verdict::Same, Verdict::More]
        );
    }
}
