//! What the exporters send with: the HTTP client that axum brings along.
//!
//! Exporters run on threads of their own, without a runtime. The client's work is done on the
//! application's.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

/// How long a collector may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A collector's answers are short.
const MOST: usize = 64 << 10;

#[derive(Clone, Debug)]
pub(crate) struct OnRuntime {
    runtime: Handle,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl OnRuntime {
    pub(crate) fn new(runtime: Handle) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { runtime, client }
    }
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let exchange = async move {
            let response = client.request(request.map(Full::new)).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MOST).collect().await?.to_bytes();
            Ok(Response::from_parts(parts, body))
        };
        // The timer, too, is the runtime's.
        self.runtime.spawn(async { tokio::time::timeout(TIMEOUT, exchange).await }).await??
    }
}
