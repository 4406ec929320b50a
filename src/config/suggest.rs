//! What would be right.

use std::fmt;

/// A name that nobody knows, and those there are, as the end of a message: `did you mean …?` for a
/// slip of the keyboard, else all of them.
pub(super) struct Suggestion<'a> {
    name: &'a str,
    known: Vec<&'a str>,
}

impl<'a> Suggestion<'a> {
    pub(super) fn new(name: &'a str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self { name, known: known.into_iter().collect() }
    }

    fn closest(&self) -> Option<&'a str> {
        let name = self.name.to_lowercase().replace('-', "_");
        // A third of the letters may be wrong.
        let limit = (name.chars().count() / 3).max(1);
        let distance =
            |known: &&str| strsim::osa_distance(&name, &known.to_lowercase().replace('-', "_"));
        self.known.iter().copied().filter(|known| distance(known) <= limit).min_by_key(distance)
    }
}

impl fmt::Display for Suggestion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.closest() {
            Some(closest) => write!(f, "did you mean `{closest}`?"),
            None if self.known.is_empty() => f.write_str("there are none"),
            None => write!(f, "there are: {}", self.known.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Suggestion;

    #[test]
    fn a_slip_is_corrected_and_all_else_is_listed() {
        let told = |name| Suggestion::new(name, ["idle_timeout", "store", "lax"]).to_string();
        assert_eq!(told("idel_timeout"), "did you mean `idle_timeout`?");
        assert_eq!(told("Idle-Timeout"), "did you mean `idle_timeout`?");
        assert_eq!(told("stroe"), "did you mean `store`?");
        assert_eq!(told("Lax"), "did you mean `lax`?");
        assert_eq!(told("session"), "there are: idle_timeout, store, lax");
        assert_eq!(Suggestion::new("x", []).to_string(), "there are none");
    }
}
