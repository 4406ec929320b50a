//! nginx, as a proxy in front of what a test serves.

use std::net::SocketAddr;
use std::{fs, io};

use tokio::net::TcpStream;

use super::account::Account;
use super::program::Program;
use super::server::{self, Fixture, Server, controls};

/// The files of one process, in its folder.
const CONFIG_FILE: &str = "nginx.conf";
const SITE_FILE: &str = "site.conf";
const ERROR_LOG: &str = "server.log";

/// What surrounds the configuration of the test. One process does it all: workers would outlive a
/// master that is killed. Paths are relative to the folder, since those that Debian has built in
/// belong to root.
const CONFIG: &str = "\
daemon off;
master_process off;
pid nginx.pid;
error_log server.log warn;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    scgi_temp_path scgi;
    uwsgi_temp_path uwsgi;
    include site.conf;
}
";

/// An nginx in a temporary folder, which ends when this is dropped.
///
/// Run by root it runs as `nobody`, who has access to nothing of anybody else's.
///
/// ```no_run
/// # async fn example() {
/// use session_testkit::servers::Nginx;
///
/// let nginx = Nginx::start(|address| format!("server {{ listen {address}; return 204; }}")).await;
/// let url = nginx.url();
/// # }
/// ```
pub struct Nginx {
    server: Server,
}

impl Nginx {
    /// Starts a process with what `site` has to say within `http { … }`, and returns when it
    /// answers. It has to listen at the address that `site` is given.
    ///
    /// # Panics
    ///
    /// If the program is missing, refuses its configuration, or does not answer within 20
    /// seconds. The message tells what it has logged.
    pub async fn start(site: impl Fn(SocketAddr) -> String + Send + Sync) -> Self {
        let launch = async || {
            let launched = Self::launch(&site);
            launched.unwrap_or_else(|error| panic!("starting nginx: {error}"))
        };
        server::settle(launch().await, launch).await
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    fn launch(site: impl Fn(SocketAddr) -> String) -> io::Result<Self> {
        let program = Program::find("nginx", "nginx").run_as(Account::unprivileged()?);
        // Where it says what it has to say before it has read where its log is.
        let arguments = ["-p", ".", "-c", CONFIG_FILE, "-e", ERROR_LOG].map(str::to_owned);
        let server = Server::new("nginx", program, arguments.to_vec())?;

        let folder = server.process.folder();
        fs::write(folder.join(CONFIG_FILE), CONFIG)?;
        fs::write(folder.join(SITE_FILE), site(server.port.address()))?;
        server.process.start()?;
        Ok(Self { server })
    }
}

controls!(Nginx);

impl Fixture for Nginx {
    fn server(&self) -> &Server {
        &self.server
    }

    async fn ready(&self) -> io::Result<()> {
        self.server.wait_for_answer(|| TcpStream::connect(self.address())).await
    }
}
