//! All of it: Redis, the gateway, nginx as it is configured for everybody, and two services.

use session_kit::Sessions;
use session_kit::config::Config;
use session_testkit::servers::{Nginx, Redis};

use crate::client::Client;
use crate::process::Gateway;
use crate::service::{Served, Service};
use crate::sign_in;

const NGINX: &str = include_str!("../../nginx.conf");

/// Sessions in Redis itself.
pub(crate) const PLAIN: &str = r#"
[session]
store = "redis"
cookie = { name = "id", secure = false }
[stores.redis]
kind = "redis"
url = "${REDIS_URL}"
namespace = "gateway"
"#;

/// With a cache in front of Redis.
pub(crate) fn cached() -> String {
    let config = replaced(PLAIN, "store = \"redis\"", "store = \"front\"");
    format!("{config}\n[stores.front]\nkind = \"layered\"\nshared = \"redis\"\n")
}

/// The configuration with more of it.
pub(crate) fn with(config: &str, section: &str, settings: &str) -> String {
    replaced(config, section, &format!("{section}\n{settings}"))
}

pub(crate) struct Site {
    pub(crate) nginx: Nginx,
    pub(crate) gateway: Gateway,
    pub(crate) service: Service,
    /// Those of the node that signs people in.
    pub(crate) sessions: Sessions,
    pub(crate) sign_in: Served,
    pub(crate) redis: Redis,
}

impl Site {
    pub(crate) async fn start(config: &str) -> Self {
        Self::start_on(Redis::start().await, config, config).await
    }

    /// The gateway with one configuration, the node that signs people in with another.
    pub(crate) async fn start_on(redis: Redis, gateway: &str, sign_in: &str) -> Self {
        let url = redis.url();
        let sessions = sessions(sign_in, &url);
        let gateway =
            Gateway::start_at("127.0.0.1:0", gateway, &[("REDIS_URL", url.as_str())]).await;
        let service = Service::start().await;
        let sign_in = sign_in::start(sessions.clone()).await;
        let nginx = Nginx::start(|address| {
            // With what ends a port: another one may begin as this does.
            let moved = |config: &str, from: &str, to: String| {
                replaced(config, &format!("{from};"), &format!("{to};"))
            };
            let config = moved(NGINX, "127.0.0.1:8080", address.to_string());
            let config = moved(&config, "127.0.0.1:4000", gateway.address().to_string());
            let config = moved(&config, "127.0.0.1:3000", sign_in.address.to_string());
            moved(&config, "127.0.0.1:8000", service.served.address.to_string())
        })
        .await;
        Self { nginx, gateway, service, sessions, redis, sign_in }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.nginx.url())
    }

    pub(crate) async fn signed_in(&self, subject: &str) -> Client {
        let mut client = self.client();
        client.log_in(subject).await;
        client
    }
}

/// Those of a configuration, for a node in this process.
pub(crate) fn sessions(config: &str, redis_url: &str) -> Sessions {
    let environment = [("REDIS_URL".to_owned(), redis_url.to_owned())];
    let config = Config::parse(config, "the test", environment);
    config.and_then(|config| config.build()).expect("a configuration")
}

pub(crate) fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    text.replace(from, to)
}
