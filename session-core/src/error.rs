//! The one error type.

use std::fmt;
use std::sync::Arc;

/// What went wrong, as far as a caller can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store cannot be reached or refuses to work. Whether a write landed is unknown.
    Unavailable,
    /// The store did not answer in time. Whether a write landed is unknown.
    Timeout,
    /// The write was done, and too few replicas have confirmed it: it may be lost with the server
    /// that did it. For stores that wait for replicas.
    NotReplicated,
    /// Other requests kept changing the session: the bounded number of tries is used up and
    /// nothing of this request was saved.
    Conflict,
    /// The session was destroyed, revoked or has expired meanwhile; nothing was written and
    /// nothing was created in its place.
    Gone,
    /// Something stored is not what it should be: damaged, foreign, of a future version, or
    /// sealed with a key that is not in the ring.
    Corrupt,
    /// A value does not fit the type asked for, or cannot be encoded. Nothing is lost.
    Value,
    /// A payload is over its limit. The stored session is untouched.
    TooLarge,
    /// The store has no room for another session.
    Full,
    /// The subject has as many sessions as it may have. Nobody was signed in.
    LimitReached,
    /// A configuration that cannot be right.
    Misconfigured,
    /// The call makes no sense at this moment, such as a new id after the response has begun.
    Misuse,
    /// The store does not offer what was asked for.
    Unsupported,
    /// No random bytes could be drawn.
    Entropy,
}

impl ErrorKind {
    /// The kind in one `snake_case` word, stable for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::NotReplicated => "not_replicated",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::Corrupt => "corrupt",
            Self::Value => "value",
            Self::TooLarge => "too_large",
            Self::Full => "full",
            Self::LimitReached => "limit_reached",
            Self::Misconfigured => "misconfigured",
            Self::Misuse => "misuse",
            Self::Unsupported => "unsupported",
            Self::Entropy => "entropy",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What failed, during which operation, with what circumstances, and why.
///
/// A message never holds a token, a key of a ring, or a payload: whoever builds one passes only
/// names, sizes and reasons.
///
/// Clones share the source: several callers may wait for one answer.
///
/// ```
/// use session_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Timeout, "no answer within the deadline")
///     .during("load")
///     .with("deadline", "500ms");
/// assert!(error.is_retryable());
/// assert_eq!(
///     error.to_string(),
///     "timeout during load: no answer within the deadline (deadline: 500ms)"
/// );
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    operation: Option<&'static str>,
    context: Vec<(&'static str, String)>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this kind. The message says what failed, in words without a secret.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            operation: None,
            context: Vec::new(),
            source: None,
        }))
    }

    /// A setting that cannot be right: which, what it was, and why that cannot be.
    pub fn misconfigured(
        field: &'static str,
        value: impl fmt::Display,
        reason: impl Into<String>,
    ) -> Self {
        Self::new(ErrorKind::Misconfigured, reason).with("field", field).with("value", value)
    }

    /// Names the operation, unless one closer to the cause has been named already.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Adds a circumstance.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((name, value.to_string()));
        self
    }

    /// Says in which section the setting is that a [misconfiguration](Error::misconfigured)
    /// names: `field: timeout` becomes `field: section.timeout`.
    #[must_use]
    pub fn within(mut self, section: &str) -> Self {
        if let Some((_, field)) = self.0.context.iter_mut().find(|(name, _)| *name == "field") {
            *field = format!("{section}.{field}");
        }
        self
    }

    /// Keeps the underlying error.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed, once known.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The circumstance of that name.
    pub fn context(&self, name: &str) -> Option<&str> {
        self.0.context.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// Whether the same may succeed a moment later.
    ///
    /// For a save this does not mean to say it all again: what was not written for certain (full,
    /// conflict) is still pending, and the next commit saves it.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Unavailable
                | ErrorKind::Timeout
                | ErrorKind::NotReplicated
                | ErrorKind::Conflict
                | ErrorKind::Full
        )
    }

    /// Whether a write that ended so may have landed all the same.
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::NotReplicated
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, message, operation, context, source: _ } = &*self.0;
        write!(f, "{kind}")?;
        if let Some(operation) = operation {
            write!(f, " during {operation}")?;
        }
        write!(f, ": {message}")?;
        for (index, (name, value)) in context.iter().enumerate() {
            let open = if index == 0 { " (" } else { ", " };
            write!(f, "{open}{name}: {value}")?;
        }
        if context.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, message, operation, context, source } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("message", message)
            .field("operation", operation)
            .field("context", context)
            .field("source", source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_operation_context_and_source() {
        let error = Error::new(ErrorKind::Unavailable, "connection refused")
            .during("replace")
            .during("commit")
            .with("port", 6379)
            .with_source(std::io::Error::other("refused"));
        assert_eq!(
            error.to_string(),
            "unavailable during replace: connection refused (port: 6379)"
        );
        assert_eq!(error.context("port"), Some("6379"));
        assert_eq!(error.context("host"), None);
        assert!(std::error::Error::source(&error).is_some());
    }

    #[test]
    fn a_clone_tells_the_same_of_the_same_source() {
        let error = Error::new(ErrorKind::Timeout, "no answer")
            .with("port", 6379)
            .with_source(std::io::Error::other("refused"));
        let clone = error.clone().during("load").with("waiter", 2);
        assert_eq!(clone.to_string(), "timeout during load: no answer (port: 6379, waiter: 2)");
        assert_eq!(error.to_string(), "timeout: no answer (port: 6379)", "the other's is its own");
        let source = |error| std::ptr::from_ref(std::error::Error::source(error).unwrap()).addr();
        assert_eq!(source(&error), source(&clone));
    }

    #[test]
    fn a_setting_is_named_with_its_section() {
        let error =
            Error::misconfigured("name", "\"\"", "it is empty").within("cookie").within("session");
        assert_eq!(error.context("field"), Some("session.cookie.name"));
        assert_eq!(Error::new(ErrorKind::Full, "full").within("x").context("field"), None);
    }
}
