//! The page of a visitor who is not signed in.

use maud::{Markup, html};

use super::{Notice, frame};

pub(super) fn page(notice: Option<Notice>) -> Markup {
    let invalid = matches!(notice, Some(Notice::WrongPassword)).then_some("true");
    let content = html! {
        div.narrow {
            h1 { "Sign in" }
            @match notice {
                Some(Notice::WrongPassword) => {
                    p.message.error #problem role="alert" {
                        "This name and password do not belong together. Try again."
                    }
                }
                Some(Notice::SignedOut) => p.message.success role="status" { "You are signed out." },
                Some(Notice::Ended) => {
                    p.message.warning role="status" { "Your session has ended. Please sign in again." }
                }
                None => {}
            }
            form.card method="post" action="/login" {
                div.field {
                    label for="user" { "User name" }
                    input #user name="user" type="text" required maxlength="64"
                        pattern="[A-Za-z0-9_.@\\-]+" title="Letters, digits and - _ . @"
                        autocomplete="username" autocapitalize="none" spellcheck="false"
                        aria-describedby="hint" aria-invalid=[invalid] autofocus;
                }
                div.field {
                    label for="password" { "Password" }
                    input #password name="password" type="password" required
                        autocomplete="current-password" aria-invalid=[invalid];
                }
                button.primary type="submit" { "Sign in" }
                p.hint #hint {
                    "This is a demonstration: any name of letters, digits and - _ . @ will do, and the "
                    "password is " code { "demo" } "."
                }
            }
        }
    };
    frame::page("Sign in", None, content)
}
