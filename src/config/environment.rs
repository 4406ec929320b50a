//! The environment's part in a configuration.

use std::collections::BTreeMap;

use session_core::{Error, ErrorKind};
use toml::{Table, Value};

const PREFIX: &str = "SESSION__";

/// Puts the values of `SESSION__…` variables in place of those of the file.
pub(super) fn override_settings(document: &mut Table, environment: &BTreeMap<String, String>) {
    for (name, value) in environment {
        let Some(path) = name.strip_prefix(PREFIX) else { continue };
        let path: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
        set(document, &path, value);
    }
}

fn set(table: &mut Table, path: &[String], value: &str) {
    match path {
        [] => {}
        [name] => {
            let typed = typed(table.get(name), value);
            table.insert(name.clone(), typed);
        }
        [name, rest @ ..] => {
            let inner = table.entry(name.clone()).or_insert_with(|| Value::Table(Table::new()));
            // A plain value where the path needs a section gives way to the section.
            if !inner.is_table() {
                *inner = Value::Table(Table::new());
            }
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

/// A variable has no type of its own: it takes that of the value it replaces, or, where there is
/// none, is a number or a truth value if it looks like one.
fn typed(present: Option<&Value>, text: &str) -> Value {
    if matches!(present, Some(Value::String(_))) {
        return Value::String(text.to_owned());
    }
    match text.parse::<i64>() {
        Ok(number) => Value::Integer(number),
        Err(_) => match text.parse::<f64>() {
            Ok(number) => Value::Float(number),
            Err(_) => match text.parse::<bool>() {
                Ok(truth) => Value::Boolean(truth),
                Err(_) => Value::String(text.to_owned()),
            },
        },
    }
}

/// Replaces `${NAME}` in every text of the document.
pub(super) fn fill_in(
    document: &mut Table,
    environment: &BTreeMap<String, String>,
) -> Result<(), Error> {
    for (name, value) in document.iter_mut() {
        fill_in_value(name, value, environment)?;
    }
    Ok(())
}

fn fill_in_value(
    path: &str,
    value: &mut Value,
    environment: &BTreeMap<String, String>,
) -> Result<(), Error> {
    match value {
        Value::String(text) => *text = filled_in(path, text, environment)?,
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                fill_in_value(&format!("{path}[{index}]"), item, environment)?;
            }
        }
        Value::Table(table) => {
            for (name, item) in table.iter_mut() {
                fill_in_value(&format!("{path}.{name}"), item, environment)?;
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
