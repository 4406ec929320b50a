//! Names of tables, as a type that holds no other text.

use std::fmt;

use session_core::Error;

/// The table that sessions are in: `sessions`, or `auth.sessions` with a schema (PostgreSQL) or a
/// database (MySQL) before it.
///
/// ```
/// use session_sql::TableName;
///
/// assert!(TableName::parse("auth.sessions").is_ok());
/// assert!(TableName::parse("sessions; DROP TABLE users").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableName {
    schema: Option<Box<str>>,
    name: Box<str>,
}

impl TableName {
    /// Longest part of a name, in bytes: what is made of it is to fit into the 63 that
    /// PostgreSQL allows.
    pub const MAX_LEN: usize = 48;

    /// Reads one or two parts of 1 to 48 ASCII letters, digits and `_`, not beginning with a
    /// digit. They are quoted wherever they are used, so that words of SQL are allowed, and case
    /// counts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](session_core::ErrorKind::Misconfigured) for anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (schema, name) = match text.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        if !is_identifier(name) || !schema.is_none_or(is_identifier) {
            let reason = "a table is named by 1 to 48 ASCII letters, digits or `_`, not \
                          beginning with a digit, with a schema of that kind and a dot before it \
                          if need be";
            return Err(Error::misconfigured("table", format_args!("{text:?}"), reason));
        }
        Ok(Self { schema: schema.map(Into::into), name: name.into() })
    }

    /// The schema, or the database, if one was named.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The table in it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The table of that purpose beside this one, quoted.
    pub(crate) fn quoted(&self, quote: char, suffix: &str) -> String {
        let name = format!("{quote}{}{suffix}{quote}", self.name);
        match &self.schema {
            Some(schema) => format!("{quote}{schema}{quote}.{name}"),
            None => name,
        }
    }
}

/// As [`parse`](TableName::parse) reads it.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

fn is_identifier(part: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=TableName::MAX_LEN).contains(&part.len())
        && part.bytes().all(word)
        && !part.as_bytes()[0].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["sessions", "_s1", "auth.Sessions", "select.from"] {
            assert_eq!(TableName::parse(text).unwrap().to_string(), text);
        }
        let table = TableName::parse("auth.order").unwrap();
        assert_eq!(table.quoted('"', "_nodes"), r#""auth"."order_nodes""#);
        assert_eq!(TableName::parse("order").unwrap().quoted('`', ""), "`order`");
    }

    #[test]
    fn nothing_else_is_a_name() {
        let long = "x".repeat(TableName::MAX_LEN + 1);
        for text in ["", ".", "a.", ".a", "a.b.c", "1a", "a-b", "a b", "a\"", "a`", "ä", &long] {
            let error = TableName::parse(text).unwrap_err();
            assert_eq!(error.context("field"), Some("table"), "{text}");
        }
    }
}
