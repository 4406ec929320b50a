//! Where each setting is from, for errors.

use std::collections::BTreeMap;

use session_core::Error;
use toml::de::{DeTable, DeValue};

/// The line of a setting, or the variable that overrides it, by its path.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<String, Place>);

#[derive(Clone, Debug)]
pub(super) enum Place {
    Line(usize),
    Variable(String),
}

impl Places {
    /// The lines of a document.
    pub(super) fn of(text: &str) -> Result<Self, toml::de::Error> {
        let document = DeTable::parse(text)?;
        let mut places = Self::default();
        places.add_lines("", document.get_ref(), text);
        Ok(places)
    }

    fn add_lines(&mut self, section: &str, table: &DeTable<'_>, text: &str) {
        for (name, value) in table {
            let path = join(section, name.get_ref());
            if let DeValue::Table(inner) = value.get_ref() {
                self.add_lines(&path, inner, text);
            }
            self.0.insert(path, Place::Line(line_of(text, name.span().start)));
        }
    }

    pub(super) fn add_variable(&mut self, path: &str, variable: &str) {
        self.0.insert(path.to_owned(), Place::Variable(variable.to_owned()));
    }

    /// Whether a variable has put it there.
    pub(super) fn is_of_variable(&self, path: &str) -> bool {
        matches!(self.0.get(path), Some(Place::Variable(_)))
    }

    /// Says where the setting is that the error names: what is not there itself is missing in the
    /// section around it.
    pub(super) fn locate(&self, error: Error) -> Error {
        let is_told = error.context("line").or(error.context("variable")).is_some();
        match error.context("field").and_then(|field| self.find(field)).cloned() {
            _ if is_told => error,
            Some(Place::Line(line)) => error.with("line", line),
            Some(Place::Variable(variable)) => error.with("variable", variable),
            None => error,
        }
    }

    fn find(&self, field: &str) -> Option<&Place> {
        let mut path = field;
        loop {
            if let Some(place) = self.0.get(path) {
                return Some(place);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

/// The path of a setting in a section.
pub(super) fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

/// The first line is 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use session_core::ErrorKind;

    use super::*;

    const TEXT: &str = "\
[session]
store = \"main\"
cookie = { name = \"id\",
  secure = false }

[stores.main]
kind = \"memory\"
";

    fn told(places: &Places, field: &str) -> String {
        let error = Error::new(ErrorKind::Misconfigured, "wrong").with("field", field);
        let error = places.locate(error);
        let line = error.context("line").map(|line| format!("line {line}"));
        line.or(error.context("variable").map(str::to_owned)).unwrap_or_default()
    }

    #[test]
    fn a_setting_is_on_its_line_and_a_missing_one_on_that_of_its_section() {
        let mut places = Places::of(TEXT).unwrap();
        for (field, place) in [
            ("session", "line 1"),
            ("session.store", "line 2"),
            ("session.cookie.secure", "line 4"),
            ("session.cookie.path", "line 3"),
            ("session.encrypt.keys[0]", "line 1"),
            ("stores.main.url", "line 6"),
            ("stores.other", "line 6"),
            ("elsewhere", ""),
        ] {
            assert_eq!(told(&places, field), place, "{field}");
        }
        places.add_variable("session.store", "SESSION__SESSION__STORE");
        assert_eq!(told(&places, "session.store"), "SESSION__SESSION__STORE");
    }
}
