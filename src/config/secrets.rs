//! What is never shown.

/// Whether a setting holds a secret, by its path.
pub(super) fn is_secret(field: &str) -> bool {
    // A section, in whose place an address was put, and perhaps a password with it.
    let last = field.rsplit('.').next().and_then(|last| last.split('[').next()).unwrap_or_default();
    field.split(['.', '[']).any(is_secret_name) || ["sentinel", "cluster"].contains(&last)
}

fn is_secret_name(name: &str) -> bool {
    NAMES.contains(&name) || PARTS.iter().any(|part| name.contains(part))
}

/// Whether a value looks like a secret that was put in the wrong place.
pub(super) fn looks_secret(value: &str) -> bool {
    ["base64:", "://", "-----BEGIN"].iter().any(|mark| value.contains(mark))
}

const NAMES: [&str; 6] = ["keys", "url", "listen_at", "nodes", "encrypt", "sign"];

/// Those of kinds that are not ours.
const PARTS: [&str; 5] = ["password", "secret", "token", "credential", "dsn"];

#[cfg(test)]
mod tests {
    use super::{is_secret, looks_secret};

    #[test]
    fn secrets_are_known_by_where_they_are() {
        for field in [
            "stores.main.url",
            "stores.main.sentinel_password",
            "stores.main.sentinel",
            "stores.main.cluster.nodes[0]",
            "session.encrypt.keys",
            "stores.theirs.api_token",
            "stores.theirs.client_secret.value",
        ] {
            assert!(is_secret(field), "{field}");
        }
        for field in ["session.idle_timeout", "stores.main.sentinel.master", "stores.main"] {
            assert!(!is_secret(field), "{field}");
        }
    }

    #[test]
    fn secrets_are_known_by_how_they_look() {
        assert!(looks_secret("redis://:secret@host") && looks_secret("base64:c2VjcmV0"));
        assert!(!looks_secret("30m") && !looks_secret("a:b"));
    }
}
