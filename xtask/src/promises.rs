//! The promises in the documents name the tests that hold them: those tests are there.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use crate::command::Cmd;
use crate::report::Report;

pub(crate) fn check(report: &mut Report) {
    report.record(all_tests_are_there());
}

fn all_tests_are_there() -> Result<(), String> {
    let listed = Cmd::new("git").args(["ls-files", "*.rs"]).output()?;
    let read = |path: &str| match fs::read_to_string(path) {
        // Deleted, and not committed yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        result => result.map_err(|error| format!("{path}: {error}")),
    };
    let mut functions = BTreeSet::new();
    for path in listed.lines() {
        functions.extend(functions_in(&read(path)?).map(str::to_owned));
    }
    let mut checked = 0;
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        if !Path::new(document).exists() {
            return Err(format!("{document} is not there"));
        }
        for name in tests_named_in(&read(document)?) {
            checked += 1;
            if !functions.contains(name) {
                missing.push(format!("{document} names `{name}`"));
            }
        }
    }
    eprintln!("{checked} tests are named in {}", DOCUMENTS.join(" and "));
    match missing.is_empty() {
        true if checked > 0 => Ok(()),
        true => Err("the documents name no tests".to_owned()),
        false => Err(format!("no such test: {}", missing.join(", "))),
    }
}

const DOCUMENTS: [&str; 2] = ["ARCHITECTURE.md", "SECURITY.md"];

/// Whatever is in code quotes and looks like a test's name: lower case, of three words or more.
fn tests_named_in(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let ours = quoted.filter(|name| !name.starts_with("clippy::"));
    ours.map(|name| name.rsplit("::").next().unwrap_or(name)).filter(|name| {
        name.matches('_').count() >= 2
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    })
}

fn functions_in(source: &str) -> impl Iterator<Item = &str> {
    source.split("fn ").skip(1).map(|rest| {
        let end = rest.find(|char: char| !char.is_alphanumeric() && char != '_');
        &rest[..end.unwrap_or(rest.len())]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tests_are_told_from_other_code() {
        let text = "held by `plan::tests::every_cell_is`, `Store`, `max_age`, `a_b_c`, `x y_z_w`, \
                    `clippy::await_holding_lock`";
        assert_eq!(tests_named_in(text).collect::<Vec<_>>(), ["every_cell_is", "a_b_c"]);
    }

    #[test]
    fn functions_are_found_however_they_are_declared() {
        let source = "async fn first_one() {}\npub(crate) fn second<T>() {}\nfn third";
        assert_eq!(functions_in(source).collect::<Vec<_>>(), ["first_one", "second", "third"]);
    }
}
