//! `Set-Cookie`, read as a browser does.

/// A `Set-Cookie` line (RFC 6265bis, section 5.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCookie {
    name: String,
    value: String,
    attributes: Vec<(String, String)>,
}

impl SetCookie {
    /// Reads a line.
    ///
    /// # Errors
    ///
    /// Why it is none, or none that every browser reads alike.
    pub fn parse(line: &[u8]) -> Result<Self, &'static str> {
        let line = std::str::from_utf8(line).map_err(|_| "it is not ASCII")?;
        if line.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
            return Err("it has control characters, or is not ASCII");
        }
        let mut parts = line.split(';').map(str::trim);
        let (name, value) =
            parts.next().and_then(|pair| pair.split_once('=')).ok_or("it has no `=`")?;
        if name.is_empty() || name.contains([' ', '"', ',', '(', ')']) {
            return Err("the name is not a token");
        }
        if value.contains([' ', '"', ',', '\\']) {
            return Err("the value has characters that need quoting");
        }
        let attributes: Vec<(String, String)> = parts
            .map(|part| part.split_once('=').unwrap_or((part, "")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut names: Vec<&String> = attributes.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("an attribute is there twice");
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned(), attributes })
    }

    /// The cookie's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cookie's value.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The value of an attribute, empty if it has none. The name is in lower case.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The attributes that decide which cookie this is and who gets it, sorted: all but `Max-Age`
    /// and `Expires`.
    pub fn scope(&self) -> Vec<(String, String)> {
        let is_scope = |name: &str| name != "max-age" && name != "expires";
        let mut scope: Vec<_> =
            self.attributes.iter().filter(|(name, _)| is_scope(name)).cloned().collect();
        scope.sort();
        scope
    }

    /// How many seconds the cookie is to be kept, if it says so.
    pub fn max_age(&self) -> Option<i64> {
        self.attribute("max-age")?.parse().ok()
    }

    /// Whether the browser forgets the cookie at once: by `Max-Age`, which comes first, or an
    /// `Expires` at the epoch.
    pub fn is_removal(&self) -> bool {
        match self.max_age() {
            Some(seconds) => seconds <= 0,
            None => self.expires_long_ago(),
        }
    }

    /// Whether `Expires` is the epoch, in the one format to be sent (RFC 9110, section 5.6.7).
    pub fn expires_long_ago(&self) -> bool {
        self.attribute("expires") == Some("Thu, 01 Jan 1970 00:00:00 GMT")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_browsers_do() {
        let line = b"id=abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=60";
        let cookie = SetCookie::parse(line).unwrap();
        assert_eq!((cookie.name(), cookie.value(), cookie.max_age()), ("id", "abc", Some(60)));
        assert_eq!(cookie.attribute("httponly"), Some(""));
        assert_eq!(cookie.attribute("domain"), None);
        assert!(!cookie.is_removal());

        let removal = b"id=; SameSite=Lax; HttpOnly; Path=/; Max-Age=0; \
            Expires=Thu, 01 Jan 1970 00:00:00 GMT";
        let removal = SetCookie::parse(removal).unwrap();
        assert!(removal.is_removal() && removal.expires_long_ago());
        assert_eq!(removal.scope(), cookie.scope());
    }

    #[test]
    fn lines_that_browsers_read_differently_are_refused() {
        let lines: [&[u8]; 7] = [
            b"id",
            b"=x",
            b"id=a b",
            b"id=\"a\"",
            b"id=\xff",
            b"id=a\r\nX: y",
            b"id=a; Path=/; path=/app",
        ];
        for line in lines {
            assert!(SetCookie::parse(line).is_err(), "{}", String::from_utf8_lossy(line));
        }
    }
}
