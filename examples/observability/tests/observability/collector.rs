//! A collector: takes OTLP in protobuf over HTTP, and keeps it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;

/// Attributes, as text.
pub(crate) type Attributes = BTreeMap<String, String>;

#[derive(Clone, Default)]
pub(crate) struct Collector {
    traces: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
}

impl Collector {
    /// At a port of its own, until the runtime ends.
    pub(crate) async fn start() -> (Self, String) {
        let collector = Self::default();
        let app = Router::new()
            .route("/v1/traces", post(take_traces))
            .route("/v1/metrics", post(take_metrics))
            .with_state(collector.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (collector, address)
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let traces = self.traces.lock().unwrap();
        let resources = traces.iter().flat_map(|request| &request.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// By name, with the attributes of each point. What came last is what counts.
    pub(crate) fn metrics(&self) -> BTreeMap<String, (Metric, Vec<Attributes>)> {
        let metrics = self.metrics.lock().unwrap();
        let resources = metrics.iter().flat_map(|request| &request.resource_metrics);
        let scopes = resources.flat_map(|resource| &resource.scope_metrics);
        let metrics = scopes.flat_map(|scope| scope.metrics.clone());
        metrics.map(|metric| (metric.name.clone(), (metric.clone(), points(&metric)))).collect()
    }

    /// What the application says of itself.
    pub(crate) fn services(&self) -> Vec<Attributes> {
        let traces = self.traces.lock().unwrap();
        let resources = traces.iter().flat_map(|request| &request.resource_spans);
        resources.filter_map(|it| Some(shown(&it.resource.as_ref()?.attributes))).collect()
    }
}

async fn take_traces(
    State(collector): State<Collector>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    take(&headers, body, &collector.traces)
}

async fn take_metrics(
    State(collector): State<Collector>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    take(&headers, body, &collector.metrics)
}

fn take<T: prost::Message + Default>(
    headers: &HeaderMap,
    body: Bytes,
    kept: &Mutex<Vec<T>>,
) -> StatusCode {
    if headers.get("content-type").is_none_or(|it| it != "application/x-protobuf") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE;
    }
    match T::decode(body) {
        Ok(request) => {
            kept.lock().unwrap().push(request);
            // An empty answer is one that tells of no partial success.
            StatusCode::OK
        }
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

fn points(metric: &Metric) -> Vec<Attributes> {
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => gauge.data_points.iter().map(|it| shown(&it.attributes)).collect(),
        Data::Sum(sum) => sum.data_points.iter().map(|it| shown(&it.attributes)).collect(),
        Data::Histogram(it) => it.data_points.iter().map(|it| shown(&it.attributes)).collect(),
        other => panic!("nobody makes such an instrument: {} {other:?}", metric.name),
    }
}

pub(crate) fn shown(attributes: &[KeyValue]) -> Attributes {
    attributes.iter().map(|it| (it.key.clone(), text(it.value.as_ref()))).collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}
