//! Caddy, as a proxy in front of what a test serves.

use std::net::SocketAddr;
use std::{fs, io};

use tokio::net::TcpStream;

use super::program::Program;
use super::server::{self, Fixture, Server, controls};

/// The files of one process, in its folder.
const CONFIG_FILE: &str = "Caddyfile";
const SITE_FILE: &str = "site.caddy";

/// What surrounds the configuration of the test: no certificates, and no door for an administrator.
const CONFIG: &str = "\
{
	admin off
	auto_https off
	storage file_system storage
}
import site.caddy
";

/// A Caddy in a temporary folder, which ends when this is dropped.
///
/// ```no_run
/// # async fn example() {
/// use session_testkit::servers::Caddy;
///
/// let caddy = Caddy::start(|address| format!("http://{address} {{\n\trespond 204\n}}\n")).await;
/// let url = caddy.url();
/// # }
/// ```
pub struct Caddy {
    server: Server,
}

impl Caddy {
    /// Starts a process with the sites that `site` has to say, and returns when it answers. It has
    /// to listen at the address that `site` is given.
    ///
    /// # Panics
    ///
    /// If the program is missing, refuses its configuration, or does not answer within 20
    /// seconds. The message tells what it has logged.
    pub async fn start(site: impl Fn(SocketAddr) -> String + Send + Sync) -> Self {
        let launch = async || {
            let launched = Self::launch(&site);
            launched.unwrap_or_else(|error| panic!("starting Caddy: {error}"))
        };
        server::settle(launch().await, launch).await
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    fn launch(site: impl Fn(SocketAddr) -> String) -> io::Result<Self> {
        let program = Program::find("caddy", "caddy");
        let arguments = ["run", "--config", CONFIG_FILE, "--adapter", "caddyfile"];
        let server = Server::new("Caddy", program, arguments.map(str::to_owned).to_vec())?;

        let folder = server.process.folder();
        fs::write(folder.join(CONFIG_FILE), CONFIG)?;
        fs::write(folder.join(SITE_FILE), site(server.port.address()))?;
        server.process.start()?;
        Ok(Self { server })
    }
}

controls!(Caddy);

impl Fixture for Caddy {
    fn server(&self) -> &Server {
        &self.server
    }

    async fn ready(&self) -> io::Result<()> {
        self.server.wait_for_answer(|| TcpStream::connect(self.address())).await
    }
}
