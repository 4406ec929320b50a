//! Who may sign in: in this demo anybody, with the one password there is.

use std::fmt;

use serde::Deserialize;
use session_kit::{Device, Session, Subject};

const MAX_LEN: usize = 64;
const PASSWORD: &str = "demo";

/// What somebody claims to be, and to know.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    user: String,
    password: String,
}

impl Credentials {
    /// Whom they prove to be here, if anybody.
    pub(crate) fn verify(&self) -> Option<Subject> {
        let is_user = (1..=MAX_LEN).contains(&self.user.len())
            && self
                .user
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte));
        // A real password is compared as a hash, by a library; this one is printed on the page.
        if is_user && self.password == PASSWORD { Subject::new(&self.user).ok() } else { None }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// Signs `subject` in on this device. The session gets a new id by it.
pub(crate) fn sign_in(session: &Session, subject: Subject, device: Device) {
    session.log_in(subject);
    session.set_device(device);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(user: &str, password: &str) -> Option<Subject> {
        Credentials { user: user.into(), password: password.into() }.verify()
    }

    #[test]
    fn any_name_of_the_right_form_with_the_password() {
        for user in ["u1001", "a", "A-b_c.d@example.org", &"x".repeat(64)] {
            assert_eq!(verify(user, "demo").unwrap().as_str(), user);
            assert_eq!(verify(user, "Demo"), None);
        }
        for user in ["", "two words", "ü", "<b>", "a\n", &"x".repeat(65)] {
            assert_eq!(verify(user, "demo"), None, "{user:?}");
        }
    }

    #[test]
    fn debug_tells_neither_name_nor_password() {
        let shown = format!("{:?}", Credentials { user: "u1001".into(), password: "demo".into() });
        assert!(!shown.contains("u1001") && !shown.contains("demo"));
    }
}
