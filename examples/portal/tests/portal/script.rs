//! The HTTP script, which every adapter passes.

use session_testkit::http::{self, Target};

use crate::frameworks::Framework;
use crate::process::{Directory, Portal};

/// A process for each scenario.
struct Server {
    target: Target,
    _portal: Portal,
}

impl AsRef<Target> for Server {
    fn as_ref(&self) -> &Target {
        &self.target
    }
}

impl Server {
    async fn start_on(framework: Framework) -> Self {
        let portal = Portal::start_on(framework).await;
        Self { target: Target::new(portal.address(), "id"), _portal: portal }
    }
}

mod axum {
    use super::{Framework, Server};

    session_testkit::http_tests!(|| Server::start_on(Framework::Axum));
}

mod actix {
    use super::{Framework, Server};

    session_testkit::http_tests!(|| Server::start_on(Framework::Actix));
}

/// The whole script once more, with another codec and everything protected: what the client and
/// the store see is different, what happens is not.
#[tokio::test(flavor = "multi_thread")]
async fn the_script_holds_with_everything_protected() {
    let directory = Directory::new();
    let file = directory.write("session.toml", PROTECTED);
    let portal = Portal::start_with(&["--config", &file]).await;
    http::run(&Target::new(portal.address(), "id").with_schedules(100)).await;
}

const PROTECTED: &str = r#"
[session]
store = "main"
codec = "msgpack"
compress = { over = "1KiB" }
encrypt = { keys = ["base64:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="] }
cookie = { name = "id", secure = false, encrypt = { keys = ["base64:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="] } }

[stores.main]
kind = "memory"
"#;
