//! All of it: Redis, the gateway, nginx or Caddy as it is configured for everybody, and two services.

use std::net::SocketAddr;

use session_kit::Sessions;
use session_kit::config::Config;
use session_testkit::servers::{Caddy, Nginx, Port, Redis};

use crate::client::Client;
use crate::process::Gateway;
use crate::service::{Served, Service};
use crate::sign_in;

const NGINX: &str = include_str!("../../nginx.conf");
const CADDY: &str = include_str!("../../Caddyfile");

/// Sessions in Redis itself, with time enough for a busy machine.
pub(crate) const PLAIN: &str = r#"
[session]
store = "redis"
cookie = { name = "id", secure = false }
[stores.redis]
kind = "redis"
url = "${REDIS_URL}"
namespace = "gateway"
timeout = "10s"
"#;

/// With a cache in front of Redis.
pub(crate) fn cached() -> String {
    let config = replaced(PLAIN, "store = \"redis\"", "store = \"front\"");
    format!("{config}\n[stores.front]\nkind = \"layered\"\nshared = \"redis\"\n")
}

/// The configuration, for a server that will not answer.
pub(crate) fn in_a_hurry(config: &str) -> String {
    replaced(config, "timeout = \"10s\"", "timeout = \"500ms\"")
}

/// The configuration with more of it.
pub(crate) fn with(config: &str, section: &str, settings: &str) -> String {
    replaced(config, section, &format!("{section}\n{settings}"))
}

pub(crate) struct Site {
    pub(crate) proxy: Proxy,
    pub(crate) gateway: Gateway,
    /// That of the gateway, which nobody else takes once it has ended.
    pub(crate) port: Port,
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

    pub(crate) async fn start_behind_caddy(config: &str) -> Self {
        Self::start_behind(Kind::Caddy, Redis::start().await, config, config).await
    }

    /// The gateway with one configuration, the node that signs people in with another.
    pub(crate) async fn start_on(redis: Redis, gateway: &str, sign_in: &str) -> Self {
        Self::start_behind(Kind::Nginx, redis, gateway, sign_in).await
    }

    async fn start_behind(kind: Kind, redis: Redis, gateway: &str, sign_in: &str) -> Self {
        let url = redis.url();
        let sessions = sessions(sign_in, &url);
        let port = Port::reserve().expect("a free port");
        let listen = port.address().to_string();
        let gateway = Gateway::start_at(&listen, gateway, &[("REDIS_URL", url.as_str())]).await;
        let service = Service::start().await;
        let sign_in = sign_in::start(sessions.clone()).await;
        let places = [gateway.address(), sign_in.address, service.served.address];
        let proxy = Proxy::start(kind, places).await;
        Self { proxy, gateway, port, service, sessions, redis, sign_in }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.proxy.url())
    }

    pub(crate) async fn signed_in(&self, subject: &str) -> Client {
        let mut client = self.client();
        client.log_in(subject).await;
        client
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Nginx,
    Caddy,
}

/// What clients talk to.
#[derive(Debug)]
pub(crate) enum Proxy {
    Nginx(Nginx),
    Caddy(Caddy),
}

impl Proxy {
    /// With the gateway, who signs people in, and the service.
    async fn start(kind: Kind, [gateway, sign_in, service]: [SocketAddr; 3]) -> Self {
        let moved = |config: &str, itself: SocketAddr, end: &str| {
            let places = [
                ("127.0.0.1:8080", itself),
                ("127.0.0.1:4000", gateway),
                ("127.0.0.1:3000", sign_in),
                ("127.0.0.1:8000", service),
            ];
            // With what ends a port: another one may begin as this does.
            places.iter().fold(config.to_owned(), |config, (from, to)| {
                replaced(&config, &format!("{from}{end}"), &format!("{to}{end}"))
            })
        };
        match kind {
            Kind::Nginx => Self::Nginx(Nginx::start(|itself| moved(NGINX, itself, ";")).await),
            Kind::Caddy => {
                // The last one ends a line, the others are followed by a brace.
                let config = replaced(CADDY, "127.0.0.1:3000\n", "127.0.0.1:3000 {\n\t}\n");
                Self::Caddy(Caddy::start(|itself| moved(&config, itself, " {")).await)
            }
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Nginx(nginx) => nginx.url(),
            Self::Caddy(caddy) => caddy.url(),
        }
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
