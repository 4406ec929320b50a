//! What each feature of the facade adds, as the README tells: in crates, which lint checks, and in
//! time to build, which `cargo xtask features` measures.

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use crate::command::Cmd;
use crate::metadata::Metadata;
use crate::report::Report;

/// Fills in the README's table.
pub(crate) fn run() -> Result<(), String> {
    let readme = read()?;
    let bare = (crates("")?.len(), seconds("")?);
    let mut written = String::with_capacity(readme.len());
    for line in readme.lines() {
        let line = match Row::parse(line) {
            Some(row) => {
                let added = crates(row.feature)?.len() - bare.0;
                let seconds = (seconds(row.feature)? - bare.1).max(0.0);
                row.with(added, &format!("{seconds:.0} s"))
            }
            None => line.to_owned(),
        };
        written.push_str(&line);
        written.push('\n');
    }
    fs::write(README, written).map_err(|error| format!("{README}: {error}"))?;
    eprintln!("without any feature: {} crates, {:.0} s", bare.0, bare.1);
    Ok(())
}

pub(crate) fn check(report: &mut Report) {
    report.record(every_feature_is_told());
}

fn every_feature_is_told() -> Result<(), String> {
    let readme = read()?;
    let rows: Vec<Row> = readme.lines().filter_map(Row::parse).collect();
    let told: BTreeSet<&str> = rows.iter().map(|row| row.feature).collect();
    let metadata = Metadata::members()?;
    let facade = metadata.publishable().find(|package| package.name == FACADE);
    let features = facade.ok_or("the facade is not there")?.features.keys().map(String::as_str);
    let missing: Vec<&str> =
        features.filter(|name| !told.contains(name) && !NOT_TOLD.contains(name)).collect();
    if !missing.is_empty() {
        return Err(format!("{README} has no row for {}", missing.join(", ")));
    }
    let bare = crates("")?.len();
    let mut wrong = Vec::new();
    for row in &rows {
        let added = crates(row.feature)?.len() - bare;
        if row.crates != added.to_string() {
            wrong.push(format!("`{}` adds {added} crates, not {}", row.feature, row.crates));
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("{README}: {}; `cargo xtask features` renews it", wrong.join("; "))),
    }
}

/// All that is compiled with this feature alone, on this kind of machine.
fn crates(feature: &str) -> Result<BTreeSet<String>, String> {
    let tree = Cmd::cargo("tree")
        .args(["--package", FACADE, "--no-default-features", "--features", feature])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .output()?;
    let packages = tree.lines().map(|line| line.trim_end_matches(" (*)").to_owned());
    Ok(packages.filter(|package| !package.is_empty()).collect())
}

/// How long a build from nothing takes.
fn seconds(feature: &str) -> Result<f64, String> {
    let folder = std::env::temp_dir().join(format!("xtask-features-{}", std::process::id()));
    let build = Cmd::cargo("build")
        .args(["--package", FACADE, "--no-default-features", "--features", feature])
        .args(["--target-dir", &folder.display().to_string()]);
    let start = Instant::now();
    let built = build.run();
    let seconds = start.elapsed().as_secs_f64();
    fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    built.map(|()| seconds)
}

fn read() -> Result<String, String> {
    fs::read_to_string(README).map_err(|error| format!("{README}: {error}"))
}

/// A row of the table: feature, what it adds, crates, time.
struct Row<'a> {
    feature: &'a str,
    adds: &'a str,
    crates: &'a str,
}

impl<'a> Row<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut cells = line.strip_prefix("| `")?.strip_suffix(" |")?.split(" | ");
        let (feature, adds, crates) =
            (cells.next()?.strip_suffix('`')?, cells.next()?, cells.next()?);
        let _time = cells.next()?;
        cells.next().is_none().then_some(Self { feature, adds, crates })
    }

    fn with(&self, crates: usize, time: &str) -> String {
        format!("| `{}` | {} | {crates} | {time} |", self.feature, self.adds)
    }
}

const README: &str = "README.md";
const FACADE: &str = "session-kit";

/// A choice of others, and what no application enables.
const NOT_TOLD: [&str; 2] = ["default", "counter-experiments"];

#[cfg(test)]
mod tests {
    use super::Row;

    #[test]
    fn rows_of_features_are_told_from_other_rows() {
        let row = Row::parse("| `sqlite` | the SQL store | 84 | 30 s |").expect("a row");
        assert_eq!(row.with(85, "31 s"), "| `sqlite` | the SQL store | 85 | 31 s |");
        for line in ["| feature | adds | crates | time |", "| `a` | b | c |", "|---|---|---|---|"] {
            assert!(Row::parse(line).is_none(), "{line}");
        }
    }
}
