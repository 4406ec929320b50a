//! The page of somebody who is signed in.

use maud::{Markup, html};
use session_kit::{Error, Flash, Level, Session, SessionInfo, Subject, Timestamp};

use super::frame;
use crate::api::counter;
use crate::browser_name::browser_name;
use crate::time::Rfc3339;

/// What the page shows.
pub(super) struct Account {
    user: String,
    messages: Vec<Flash>,
    counter: u64,
    devices: Vec<Device>,
    idle_deadline: Option<Timestamp>,
    absolute_deadline: Option<Timestamp>,
}

struct Device {
    handle: String,
    current: bool,
    browser: String,
    address: String,
    created_at: Timestamp,
    last_seen_at: Timestamp,
}

impl Account {
    pub(super) async fn read(session: &Session, subject: &Subject) -> Result<Self, Error> {
        let current = session.handle();
        let sessions = session.sessions().list(subject).await?;
        let mut devices: Vec<Device> = sessions
            .into_iter()
            .map(|info| Device { current: Some(info.handle) == current, ..Device::from(info) })
            .collect();
        devices.sort_by_key(|device| !device.current);
        Ok(Self {
            user: subject.as_str().to_owned(),
            counter: counter::value(session)?,
            devices,
            idle_deadline: session.idle_deadline(),
            absolute_deadline: session.absolute_deadline(),
            // Last: once taken they are gone, so whatever may fail comes before.
            messages: session.take_flashes()?,
        })
    }

    pub(super) fn page(&self) -> Markup {
        let content = html! {
            h1 { "Your account" }
            @for message in &self.messages {
                p.message.(class(message.level)) role="status" { (message.text) }
            }
            (self.devices())
            (self.counter())
            (self.end())
        };
        frame::page("Your account", Some(&self.user), content)
    }

    /// The roles are those the elements have anyway, but lose when a narrow screen shows the
    /// rows as blocks.
    fn devices(&self) -> Markup {
        let columns = ["Browser", "Address", "Signed in", "Last seen", "Action"];
        html! {
            section.card aria-labelledby="devices-title" {
                h2 #devices-title { "Your devices" }
                table #devices role="table" aria-labelledby="devices-title" {
                    thead role="rowgroup" {
                        tr role="row" {
                            @for column in columns { th scope="col" role="columnheader" { (column) } }
                        }
                    }
                    tbody role="rowgroup" { @for device in &self.devices { (device.row()) } }
                }
                form method="post" action="/revoke-others" {
                    button #sign-out-others type="submit" disabled[self.devices.len() < 2] {
                        "Sign out others"
                    }
                }
            }
        }
    }

    fn counter(&self) -> Markup {
        html! {
            section.card #counter-section aria-labelledby="counter-title" {
                h2 #counter-title { "Counter" }
                p.hint { "A number that lives in this session, and ends with it." }
                form.counter method="post" action="/counter" {
                    output #counter { (self.counter) }
                    button.primary #count type="submit" { "Count one up" }
                }
            }
        }
    }

    fn end(&self) -> Markup {
        html! {
            @if let (Some(idle), Some(absolute)) = (self.idle_deadline, self.absolute_deadline) {
                p.hint {
                    "Unless you use it, this session ends at " (time(idle)) "; in any case it ends at "
                    (time(absolute)) "."
                }
            }
        }
    }
}

impl Device {
    fn row(&self) -> Markup {
        html! {
            tr.current[self.current] role="row" {
                td role="cell" data-label="Browser" {
                    span {
                        (self.browser)
                        @if self.current { " " strong.badge { "This device" } }
                    }
                }
                td role="cell" data-label="Address" { (self.address) }
                td role="cell" data-label="Signed in" { (time(self.created_at)) }
                td role="cell" data-label="Last seen" { (time(self.last_seen_at)) }
                td role="cell" data-label="" {
                    form method="post" action={ "/devices/" (self.handle) "/revoke" } {
                        button.small type="submit" {
                            "Sign out" span.spoken { " " (self.browser) ", " (self.address) }
                        }
                    }
                }
            }
        }
    }
}

impl From<SessionInfo> for Device {
    fn from(info: SessionInfo) -> Self {
        let device = info.device.as_deref();
        let user_agent = device.and_then(|device| device.user_agent());
        let address = device.and_then(|device| device.address());
        Self {
            handle: info.handle.to_string(),
            current: false,
            browser: user_agent.map_or_else(|| "Unknown".to_owned(), browser_name),
            address: address.unwrap_or("Unknown").to_owned(),
            created_at: info.created_at,
            last_seen_at: info.last_seen_at,
        }
    }
}

fn class(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Success => "success",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

fn time(timestamp: Timestamp) -> Markup {
    let time = Rfc3339(timestamp);
    html! { time datetime=(time) { (time.to_minutes()) } }
}
