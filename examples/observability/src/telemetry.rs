//! Where spans and metrics go: to a collector, by OTLP in protobuf over HTTP.

use std::sync::Arc;

use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::client::OnRuntime;

const SERVICE: &str = "observability";

/// What collects spans and metrics in this process, and sends them.
#[derive(Clone, Debug)]
pub struct Telemetry {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

impl Telemetry {
    /// Sends to the collector at `endpoint`, such as `http://127.0.0.1:4318`, on this runtime.
    ///
    /// # Errors
    ///
    /// If `endpoint` is no address. A collector that is not there is no error: what it misses is
    /// lost, and the application goes on.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn to(endpoint: &str) -> Result<Self, ExporterBuildError> {
        let client: Arc<dyn HttpClient> = Arc::new(OnRuntime::new(Handle::current()));
        let endpoint = endpoint.trim_end_matches('/');
        let spans = SpanExporter::builder()
            .with_http()
            .with_shared_http_client(Arc::clone(&client))
            .with_endpoint(format!("{endpoint}/v1/traces"))
            .build()?;
        let metrics = MetricExporter::builder()
            .with_http()
            .with_shared_http_client(client)
            .with_endpoint(format!("{endpoint}/v1/metrics"))
            .build()?;
        let resource = Resource::builder().with_service_name(SERVICE).build();
        let traces = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_batch_exporter(spans)
            .build();
        let metrics = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_periodic_exporter(metrics)
            .build();
        Ok(Self { traces, metrics })
    }

    /// For [`Config::meter`](session_kit::config::Config::meter).
    pub fn meter(&self) -> Meter {
        self.metrics.meter(SERVICE)
    }

    /// What turns the spans of `tracing` into those of OpenTelemetry: those of the sessions, at
    /// DEBUG, and of the application.
    pub fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        let wanted = Targets::new()
            .with_target("session_core", LevelFilter::DEBUG)
            .with_target("session_layered", LevelFilter::DEBUG)
            .with_target(SERVICE, LevelFilter::INFO);
        let layer = tracing_opentelemetry::layer().with_tracer(self.traces.tracer(SERVICE));
        tracing_subscriber::registry().with(layer.with_filter(wanted))
    }

    /// Sends what there is left. Blocks: call it beside the runtime, which does the sending.
    ///
    /// # Errors
    ///
    /// If the collector does not take it.
    pub fn shutdown(&self) -> OTelSdkResult {
        let (traces, metrics) = (self.traces.shutdown(), self.metrics.shutdown());
        traces.and(metrics)
    }
}
