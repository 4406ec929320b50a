//! The environment's part in a configuration.

use std::collections::BTreeMap;

use session_core::{Error, ErrorKind};
use toml::{Table, Value};

use super::places::{Places, join};

const PREFIX: &str = "SESSION__";

/// Puts the values of `SESSION__…` variables in place of those of the file, and notes which. Names
/// are found without regard to case; a new one is in lower case.
pub(super) fn override_settings(
    document: &mut Table,
    places: &mut Places,
    environment: &BTreeMap<String, String>,
) -> Result<(), Error> {
    for (variable, value) in environment {
        let Some(path) = variable.strip_prefix(PREFIX) else { continue };
        let path: Vec<&str> = path.split("__").collect();
        if path.contains(&"") {
            let reason = "this environment variable names no setting: it has an empty part";
            return Err(Error::new(ErrorKind::Misconfigured, reason).with("variable", variable));
        }
        let mut note = |path: &str| places.add_variable(path, variable);
        set(document, "", &path, value, &mut note);
    }
    Ok(())
}

/// `note` is told the path of each setting and section that is new.
fn set(table: &mut Table, section: &str, path: &[&str], value: &str, note: &mut dyn FnMut(&str)) {
    let [name, rest @ ..] = path else { return };
    let present = table.keys().find(|key| key.eq_ignore_ascii_case(name));
    let name = present.cloned().unwrap_or_else(|| name.to_ascii_lowercase());
    let path = join(section, &name);
    if rest.is_empty() {
        note(&path);
        table.insert(name, value_of(value));
        return;
    }
    let inner = table.entry(name).or_insert(Value::Boolean(false));
    // A plain value where the path needs a section gives way to the section.
    if !inner.is_table() {
        note(&path);
        *inner = Value::Table(Table::new());
    }
    if let Value::Table(inner) = inner {
        set(inner, &path, rest, value, note);
    }
}

/// A variable is a text, and each setting reads of it what it needs; only a list is written as in
/// TOML.
fn value_of(text: &str) -> Value {
    let list = text.starts_with('[').then(|| format!("list = {text}").parse::<Table>());
    match list {
        Some(Ok(mut table)) => table.remove("list").unwrap_or_else(|| text.into()),
        _ => text.into(),
    }
}

/// Replaces `${NAME}` in every text of the document. What a variable has put there stays as it is.
pub(super) fn fill_in(
    document: &mut Table,
    places: &Places,
    environment: &BTreeMap<String, String>,
) -> Result<(), Error> {
    for (name, value) in document.iter_mut() {
        fill_in_value(name, value, places, environment)?;
    }
    Ok(())
}

fn fill_in_value(
    path: &str,
    value: &mut Value,
    places: &Places,
    environment: &BTreeMap<String, String>,
) -> Result<(), Error> {
    if places.is_of_variable(path) {
        return Ok(());
    }
    match value {
        Value::String(text) => *text = filled_in(path, text, environment)?,
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                fill_in_value(&format!("{path}[{index}]"), item, places, environment)?;
            }
        }
        Value::Table(table) => {
            for (name, item) in table.iter_mut() {
                fill_in_value(&join(path, name), item, places, environment)?;
            }
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
    Ok(())
}

fn filled_in(
    path: &str,
    text: &str,
    environment: &BTreeMap<String, String>,
) -> Result<String, Error> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, reference)) = rest.split_once("${") {
        let refuse =
            |reason: String| Err(Error::new(ErrorKind::Misconfigured, reason).with("field", path));
        let Some((name, after)) = reference.split_once('}') else {
            return refuse("`${` without `}`".into());
        };
        let Some(value) = environment.get(name) else {
            return refuse(format!("the environment variable `{name}` is not set"));
        };
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}
