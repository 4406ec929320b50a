//! A handler's changes: a log of operations, not a new blob.
//!
//! When another request has written meanwhile, the log is replayed on what that one left. So
//! both changes survive, field by field.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::Error;
use crate::fields::Fields;

pub(super) type Name = Arc<str>;

/// Computes a field's new encoded value from its present one; `None` is no field. May run
/// several times, each time on the value that is current then.
pub(super) type Recompute =
    Arc<dyn Fn(Option<&[u8]>) -> Result<Option<Bytes>, Error> + Send + Sync>;

#[derive(Clone)]
pub(super) enum Operation {
    Insert(Name, Bytes),
    Remove(Name),
    Clear,
    Update(Name, Recompute),
}

impl Operation {
    fn name(&self) -> Option<&Name> {
        match self {
            Self::Insert(name, _) | Self::Remove(name) | Self::Update(name, _) => Some(name),
            Self::Clear => None,
        }
    }
}

/// Operations in the order in which they are to be done.
#[derive(Clone, Default)]
pub(super) struct Log(Vec<Operation>);

impl Log {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an operation, and drops those it makes moot, so the log stays as short as the
    /// session has fields.
    pub(super) fn push(&mut self, operation: Operation) {
        match &operation {
            Operation::Clear => self.0.clear(),
            Operation::Insert(name, _) | Operation::Remove(name) => {
                self.0.retain(|earlier| earlier.name() != Some(name));
            }
            Operation::Update(..) => {}
        }
        self.0.push(operation);
    }

    /// Drops the update that computes its value so, and says whether it was there.
    pub(super) fn withdraw(&mut self, recompute: &Recompute) -> bool {
        let before = self.0.len();
        self.0.retain(|operation| match operation {
            Operation::Update(_, other) => !Arc::ptr_eq(other, recompute),
            Operation::Insert(..) | Operation::Remove(_) | Operation::Clear => true,
        });
        self.0.len() < before
    }

    /// Drops all operations on a field, as on one that nobody has and nobody wants any more.
    pub(super) fn forget(&mut self, name: &str) {
        self.0.retain(|operation| operation.name().is_none_or(|known| **known != *name));
    }

    /// Whether these operations set every field that `others` concern.
    pub(super) fn covers(&self, others: &Self) -> bool {
        let sets = |name: &Name| self.0.iter().any(|operation| operation.name() == Some(name));
        others.0.iter().all(|operation| operation.name().is_some_and(sets))
    }

    /// Puts `later` operations behind these.
    pub(super) fn append(&mut self, later: Self) {
        for operation in later.0 {
            self.push(operation);
        }
    }

    /// What the operations make of `base`.
    pub(super) fn replay(&self, base: &Fields) -> Result<View, Error> {
        let mut view = View::default();
        for operation in &self.0 {
            match operation {
                Operation::Insert(name, value) => view.put(name, Some(value.clone())),
                Operation::Remove(name) => view.put(name, None),
                Operation::Clear => view = View { cleared: true, values: Vec::new() },
                Operation::Update(name, recompute) => {
                    let value = recompute(view.get(base, name))?;
                    view.put(name, value);
                }
            }
        }
        Ok(view)
    }
}

/// Names only the number of operations: their values are the application's.
impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Log({} operations)", self.0.len())
    }
}

/// How the fields look with the changes applied: what differs from the base.
#[derive(Default)]
pub(super) struct View {
    cleared: bool,
    values: Vec<(Name, Option<Bytes>)>,
}

impl View {
    pub(super) fn get<'a>(&'a self, base: &'a Fields, name: &str) -> Option<&'a [u8]> {
        match self.values.iter().find(|(known, _)| **known == *name) {
            Some((_, value)) => value.as_deref(),
            None if self.cleared => None,
            None => base.get(name),
        }
    }

    pub(super) fn put(&mut self, name: &Name, value: Option<Bytes>) {
        match self.values.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.values.push((Arc::clone(name), value)),
        }
    }

    pub(super) fn clear(&mut self) {
        self.cleared = true;
        self.values.clear();
    }

    /// Whether the base is as it was.
    pub(super) fn is_base(&self) -> bool {
        !self.cleared && self.values.is_empty()
    }

    /// Whether there is no field left.
    pub(super) fn is_empty(&self, base: &Fields) -> bool {
        self.iter(base).next().is_none()
    }

    /// All fields as they are with the changes.
    pub(super) fn merge(&self, base: &Fields) -> Fields {
        Fields::of_distinct(self.iter(base))
    }

    fn iter<'a>(&'a self, base: &'a Fields) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone {
        let changed = |name: &[u8]| self.values.iter().any(|(known, _)| known.as_bytes() == name);
        let kept = base.iter_bytes().filter(move |(name, _)| !self.cleared && !changed(name));
        let put = self.values.iter();
        let put = put.filter_map(|(name, value)| Some((name.as_bytes(), value.as_deref()?)));
        kept.chain(put)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| (*name, value.as_bytes())).collect()
    }

    fn insert(name: &str, value: &str) -> Operation {
        Operation::Insert(name.into(), Bytes::copy_from_slice(value.as_bytes()))
    }

    fn append(name: &str, suffix: &'static str) -> Operation {
        Operation::Update(
            name.into(),
            Arc::new(move |old| {
                Ok(Some([old.unwrap_or_default(), suffix.as_bytes()].concat().into()))
            }),
        )
    }

    fn replayed(operations: impl IntoIterator<Item = Operation>, base: &Fields) -> String {
        let mut log = Log::default();
        operations.into_iter().for_each(|operation| log.push(operation));
        let merged = log.replay(base).unwrap().merge(base);
        let mut pairs: Vec<String> = merged
            .iter()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
            .collect();
        pairs.sort();
        pairs.join(" ")
    }

    #[test]
    fn operations_happen_in_order_on_whatever_base_there_is() {
        let base = fields(&[("a", "1"), ("b", "2")]);
        assert_eq!(replayed([], &base), "a=1 b=2");
        assert_eq!(replayed([insert("c", "3")], &base), "a=1 b=2 c=3");
        assert_eq!(replayed([Operation::Remove("a".into())], &base), "b=2");
        assert_eq!(replayed([insert("c", "3"), Operation::Clear], &base), "");
        assert_eq!(replayed([Operation::Clear, insert("c", "3")], &base), "c=3");
        assert_eq!(replayed([append("a", "x"), append("a", "y")], &base), "a=1xy b=2");
        assert_eq!(
            replayed([append("a", "x"), insert("a", "0"), append("a", "y")], &base),
            "a=0y b=2"
        );
        assert_eq!(replayed([append("a", "x"), Operation::Clear, append("a", "y")], &base), "a=y");
    }

    #[test]
    fn a_log_is_no_longer_than_its_effect() {
        let mut log = Log::default();
        for round in 0..100 {
            log.push(insert("a", "1"));
            log.push(append("a", "x"));
            log.push(Operation::Remove("b".into()));
            log.push(insert(if round % 2 == 0 { "a" } else { "b" }, "2"));
        }
        assert!(log.0.len() <= 3, "{log:?}");
        log.push(Operation::Clear);
        assert_eq!(log.0.len(), 1, "{log:?}");
    }
}
