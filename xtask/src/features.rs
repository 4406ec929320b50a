//! What each feature of the facade adds, as the README tells: in crates, which lint checks, and in
//! work to build them, which `cargo xtask features` measures.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::Cmd;
use crate::metadata::Metadata;
use crate::report::Report;

/// Fills in the README's table.
pub(crate) fn run() -> Result<(), String> {
    let builds = Builds::new()?;
    let readme = read()?;
    let bare = crates("")?.len();
    let mut written = String::with_capacity(readme.len());
    for line in readme.lines() {
        let line = match Row::parse(line) {
            Some(row) => {
                let added = crates(row.feature)?.len() - bare;
                row.with(added, &format!("{:.0} s", builds.add(row.feature)?))
            }
            None => line.to_owned(),
        };
        written.push_str(&line);
        written.push('\n');
    }
    fs::write(README, written).map_err(|error| format!("{README}: {error}"))
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

/// Debug builds in a folder of their own.
struct Builds {
    folder: PathBuf,
}

impl Builds {
    /// Builds the facade without any feature.
    fn new() -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("xtask-features-{}", std::process::id()));
        let builds = Self { folder };
        build("", &builds.bare())?;
        Ok(builds)
    }

    fn bare(&self) -> PathBuf {
        self.folder.join("bare")
    }

    /// What a feature adds to that, in seconds of a processor.
    fn add(&self, feature: &str) -> Result<f64, String> {
        let (bare, target) = (self.bare(), self.folder.join(feature));
        let [from, to] = [&bare, &target].map(|path| path.display().to_string());
        Cmd::new("cp").args(["-a", &from, &to]).run()?;
        let before = processor_seconds()?;
        build(feature, &target)?;
        let seconds = processor_seconds()? - before;
        fs::remove_dir_all(&target).map_err(|error| format!("{to}: {error}"))?;
        Ok(seconds)
    }
}

impl Drop for Builds {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn build(feature: &str, target: &Path) -> Result<(), String> {
    Cmd::cargo("build")
        .args(["--package", FACADE, "--no-default-features", "--features", feature])
        .args(["--target-dir", &target.display().to_string()])
        .run()
}

/// Of all children that have ended, and theirs (proc(5): `cutime` and `cstime`, in hundredths).
fn processor_seconds() -> Result<f64, String> {
    let stat = fs::read_to_string("/proc/self/stat")
        .map_err(|error| format!("builds are measured on Linux: {error}"))?;
    let fields: Vec<&str> = match stat.rsplit_once(')') {
        Some((_, after_the_name)) => after_the_name.split_whitespace().collect(),
        None => Vec::new(),
    };
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok());
    match (ticks(13), ticks(14)) {
        (Some(user), Some(system)) => Ok((user + system) / 100.0),
        _ => Err(format!("/proc/self/stat is not as expected: {stat}")),
    }
}

fn read() -> Result<String, String> {
    fs::read_to_string(README).map_err(|error| format!("{README}: {error}"))
}

/// A row of the table: feature, what it adds, crates, work.
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
