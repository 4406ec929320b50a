//! Opens a connection: transport, TLS, log-in, name.

use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ProtocolVersion, PushInfo, RedisConnectionInfo, RedisError, Value,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::{Failure, code};
use crate::topology::{Endpoint, Login};

/// Opens connections to any server of a topology.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) login: Login,
    pub(crate) client_name: Option<String>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<std::sync::Arc<rustls::ClientConfig>>,
    /// How long opening may take, from looking up the name to the last word of the log-in.
    pub(crate) timeout: Duration,
}

/// Called for everything the server sends unasked, in order. Must not block.
pub(crate) type OnPush = Box<dyn Fn(PushInfo) + Send + Sync>;

/// Reads and writes a connection. When it has ended, the connection is lost; when it is dropped,
/// the connection is closed.
#[derive(Debug)]
pub(crate) struct Driver(JoinHandle<()>);

impl Driver {
    /// Returns when the connection is lost.
    pub(crate) async fn lost(&mut self) {
        if !self.0.is_finished() {
            // A driver that panicked has lost its connection too.
            let _ = (&mut self.0).await;
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connector {
    pub(crate) async fn open(
        &self,
        endpoint: &Endpoint,
    ) -> Result<(MultiplexedConnection, Driver), Failure> {
        self.open_within(endpoint, ProtocolVersion::RESP2, None).await
    }

    /// Opens a connection to listen on.
    pub(crate) async fn open_listening(
        &self,
        endpoint: &Endpoint,
        on_push: OnPush,
    ) -> Result<(MultiplexedConnection, Driver), Failure> {
        self.open_within(endpoint, ProtocolVersion::RESP3, Some(on_push)).await
    }

    async fn open_within(
        &self,
        endpoint: &Endpoint,
        protocol: ProtocolVersion,
        on_push: Option<OnPush>,
    ) -> Result<(MultiplexedConnection, Driver), Failure> {
        let opening = async {
            match endpoint {
                Endpoint::Tcp(host, port) => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await?;
                    stream.set_nodelay(true)?;
                    #[cfg(feature = "tls")]
                    if let Some(config) = &self.tls {
                        let stream = encrypt(config, endpoint, stream).await?;
                        return self.log_in(stream, protocol, on_push).await;
                    }
                    self.log_in(stream, protocol, on_push).await
                }
                #[cfg(unix)]
                Endpoint::Unix(path) => {
                    let stream = tokio::net::UnixStream::connect(path).await?;
                    self.log_in(stream, protocol, on_push).await
                }
                #[cfg(not(unix))]
                Endpoint::Unix(_) => Err(Failure::unavailable("this system has no such sockets")),
            }
        };
        timeout(self.timeout, opening)
            .await
            .unwrap_or_else(|_| Err(Failure::timeout("connecting took too long")))
    }

    async fn log_in(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        protocol: ProtocolVersion,
        on_push: Option<OnPush>,
    ) -> Result<(MultiplexedConnection, Driver), Failure> {
        let mut info =
            RedisConnectionInfo::default().set_protocol(protocol).set_skip_set_lib_name();
        // One of the two protocols says all of it in its first command, which is the driver's.
        // Otherwise the driver would make a wrong password of whatever the server says to it.
        if protocol.supports_resp3() {
            if let Some(user) = &self.login.user {
                info = info.set_username(user);
            }
            if let Some(password) = &self.login.password {
                info = info.set_password(password);
            }
        }
        // The operations keep their own deadlines, which cover whatever they do on the way.
        let mut config = AsyncConnectionConfig::new().set_response_timeout(None);
        if let Some(on_push) = on_push {
            config = config.set_push_sender(move |push| {
                on_push(push);
                Ok::<_, redis::aio::SendError>(())
            });
        }
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&info, stream, config).await?;
        let driver = Driver(tokio::spawn(driver));
        self.introduce(&connection, protocol).await?;
        Ok((connection, driver))
    }

    /// Says who we are, in as many commands as it takes, which travel together and are answered
    /// one by one: a server that has no room for a client says so to the first, and hangs up.
    async fn introduce(
        &self,
        connection: &MultiplexedConnection,
        protocol: ProtocolVersion,
    ) -> Result<(), Failure> {
        let Login { user, password, database } = &self.login;
        let mut commands = Vec::new();
        if let (Some(password), false) = (password, protocol.supports_resp3()) {
            let mut command = redis::cmd("AUTH");
            commands.push(command.arg(user).arg(password).take());
        }
        if let Some(database) = database.filter(|database| *database != 0) {
            commands.push(redis::cmd("SELECT").arg(database).take());
        }
        if let Some(name) = &self.client_name {
            commands.push(redis::cmd("CLIENT").arg("SETNAME").arg(name).take());
        }
        let required = commands.len();
        for (field, value) in [("NAME", env!("CARGO_PKG_NAME")), ("VER", env!("CARGO_PKG_VERSION"))]
        {
            let field = format!("LIB-{field}");
            commands.push(redis::cmd("CLIENT").arg("SETINFO").arg(field).arg(value).take());
        }
        let answers = commands.iter().map(|command| {
            let mut connection = connection.clone();
            async move { ask(&mut connection, command).await }
        });
        for (index, answer) in join_all(answers).await.into_iter().enumerate() {
            match answer {
                // A courtesy, which not every server knows, nor allows to everybody.
                Err(error) if index >= required && is_declined(&error) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
        }
        Ok(())
    }
}

fn is_declined(error: &RedisError) -> bool {
    code(error).is_some_and(|code| code != "MAXCLIENTS")
}

/// Sends one command.
pub(crate) async fn ask(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
) -> Result<Value, RedisError> {
    connection.send_packed_command(command).await?.extract_error()
}

#[cfg(feature = "tls")]
async fn encrypt(
    config: &std::sync::Arc<rustls::ClientConfig>,
    endpoint: &Endpoint,
    stream: TcpStream,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, Failure> {
    let name = endpoint
        .host()
        .and_then(|host| rustls::pki_types::ServerName::try_from(host.to_owned()).ok())
        .ok_or_else(|| Failure::unavailable("no certificate can be for a host of this name"))?;
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::clone(config));
    Ok(connector.connect(name, stream).await?)
}
