//! A session's values, by name, still encoded.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use bytes::Bytes;

/// Names and encoded values of a session, in one piece of memory.
///
/// Values stay as they were stored until somebody asks for one. An unpacked payload is not
/// copied either: names and values are ranges of it.
///
/// ```
/// use session_core::Fields;
///
/// let fields: Fields = [("cart", b"[1,2]".as_slice()), ("theme", b"\"dark\"")].into_iter().collect();
/// assert_eq!(fields.get("cart"), Some(b"[1,2]".as_slice()));
/// assert_eq!(fields.get("user"), None);
/// ```
#[derive(Clone, Default)]
pub struct Fields {
    bytes: Bytes,
    entries: Box<[Entry]>,
}

/// Ranges into `Fields::bytes`; a payload is bounded far below 4 GiB.
#[derive(Clone, Copy)]
struct Entry {
    name: (u32, u32),
    value: (u32, u32),
}

impl Fields {
    /// Views `bytes` as fields: each entry is the range of a name, which must be UTF-8, and the
    /// range of its value. `None` if a range lies outside, a name is not UTF-8, or a name occurs
    /// twice.
    pub fn view(
        bytes: Bytes,
        ranges: impl IntoIterator<Item = (Range<usize>, Range<usize>)>,
    ) -> Option<Self> {
        let entries: Box<[Entry]> = ranges
            .into_iter()
            .map(|(name, value)| {
                std::str::from_utf8(bytes.get(name.clone())?).ok()?;
                bytes.get(value.clone())?;
                Some(Entry { name: narrow(name)?, value: narrow(value)? })
            })
            .collect::<Option<_>>()?;
        let fields = Self { bytes, entries };
        fields.has_distinct_names().then_some(fields)
    }

    /// The encoded value of that name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let entry = self.entries.iter().find(|entry| self.slice(entry.name) == name.as_bytes())?;
        Some(self.slice(entry.value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Copies pairs whose names differ, into memory of just their size.
    pub(crate) fn of_distinct<'a>(
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) -> Self {
        let size = pairs.clone().map(|(name, value)| name.len() + value.len()).sum();
        let mut bytes = Vec::with_capacity(size);
        let mut put = |part: &[u8]| {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(part);
            (start, bytes.len() as u32)
        };
        let mut entries = Vec::with_capacity(pairs.clone().count());
        entries.extend(pairs.map(|(name, value)| Entry { name: put(name), value: put(value) }));
        Self { bytes: bytes.into(), entries: entries.into() }
    }

    /// All names with their encoded values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries.iter().map(|entry| {
            // Checked when the entry was made.
            let name = std::str::from_utf8(self.slice(entry.name)).unwrap_or_default();
            (name, self.slice(entry.value))
        })
    }

    /// As [`iter`](Self::iter), without a look at the names.
    pub(crate) fn iter_bytes(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.entries.iter().map(|entry| (self.slice(entry.name), self.slice(entry.value)))
    }

    fn slice(&self, (start, end): (u32, u32)) -> &[u8] {
        &self.bytes[start as usize..end as usize]
    }

    fn has_distinct_names(&self) -> bool {
        let mut names: Vec<&[u8]> =
            self.entries.iter().map(|entry| self.slice(entry.name)).collect();
        names.sort_unstable();
        names.windows(2).all(|pair| pair[0] != pair[1])
    }
}

fn narrow(range: Range<usize>) -> Option<(u32, u32)> {
    Some((u32::try_from(range.start).ok()?, u32::try_from(range.end).ok()?))
}

/// Copies names and values. A later value of a name takes the place of an earlier one.
impl<'a> FromIterator<(&'a str, &'a [u8])> for Fields {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a [u8])>>(pairs: I) -> Self {
        let mut distinct: Vec<(&[u8], &[u8])> = Vec::new();
        for (name, value) in pairs {
            let name = name.as_bytes();
            match distinct.iter_mut().find(|(known, _)| *known == name) {
                Some((_, earlier)) => *earlier = value,
                None => distinct.push((name, value)),
            }
        }
        Self::of_distinct(distinct.iter().copied())
    }
}

/// The number only: names may be telling and values are the application's.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fields({})", self.len())
    }
}

/// The name of a field together with the type of its values.
///
/// ```
/// use session_core::Field;
///
/// const COUNTER: Field<u64> = Field::new("counter");
/// assert_eq!(COUNTER.name(), "counter");
/// ```
pub struct Field<T> {
    name: &'static str,
    value: PhantomData<fn() -> T>,
}

impl<T> Field<T> {
    /// The field `name`, holding a `T`.
    pub const fn new(name: &'static str) -> Self {
        Self { name, value: PhantomData }
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        self.name
    }
}

impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Field<T> {}

impl<T> fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({})", self.name)
    }
}

impl<T> AsRef<str> for Field<T> {
    fn as_ref(&self) -> &str {
        self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_copies_nothing_and_refuses_what_does_not_fit() {
        let bytes = Bytes::from_static(b"name=value");
        let fields = Fields::view(bytes.clone(), [(0..4, 5..10)]).unwrap();
        assert_eq!(fields.get("name"), Some(b"value".as_slice()));
        assert_eq!(fields.get("name").unwrap().as_ptr(), bytes[5..].as_ptr());

        assert!(Fields::view(bytes.clone(), [(0..4, 5..11)]).is_none(), "outside");
        assert!(Fields::view(bytes.clone(), [(0..4, 5..6), (0..4, 6..7)]).is_none(), "twice");
        assert!(Fields::view(Bytes::from_static(b"\xff"), [(0..1, 0..1)]).is_none(), "UTF-8");
    }

    #[test]
    fn the_last_value_of_a_name_counts() {
        let fields: Fields =
            [("a", b"1".as_slice()), ("b", b"2"), ("a", b"3")].into_iter().collect();
        assert_eq!(fields.len(), 2);
        assert_eq!(fields.get("a"), Some(b"3".as_slice()));
    }
}
