//! What is measured, and how Prometheus gets it.

use opentelemetry::metrics::{Histogram, Meter, MeterProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

/// The instruments, and the registry that they end up in. No label ever holds an id.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// Instruments are silent once this is gone.
    _provider: SdkMeterProvider,
    meter: Meter,
    requests: Histogram<f64>,
}

impl Metrics {
    /// Instruments of their own, so that several portals in one process do not add up.
    ///
    /// # Errors
    ///
    /// Those of the exporter, which has nothing to complain about in a new registry.
    pub fn new() -> Result<Self, OTelSdkError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            // All are of one scope.
            .scope_info_enabled(false)
            .build()?;
        let provider = SdkMeterProvider::builder()
            .with_resource(Resource::builder().with_service_name("portal").build())
            .with_reader(exporter)
            .build();
        let meter = provider.meter("portal");
        let histogram = |name, description, boundaries: &[f64]| {
            let builder = meter.f64_histogram(name).with_unit("s").with_description(description);
            builder.with_boundaries(boundaries.to_vec()).build()
        };
        let requests =
            histogram("http.server.request.duration", "Duration of HTTP requests", HTTP_BOUNDARIES);
        Ok(Self { registry, _provider: provider, meter, requests })
    }

    /// For stores and sessions, which report what they do by themselves.
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }

    pub(crate) fn requests(&self) -> &Histogram<f64> {
        &self.requests
    }

    /// All of it, in Prometheus' text format.
    pub(crate) fn to_text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Seconds: those of the semantic conventions, and finer ones below them.
const HTTP_BOUNDARIES: &[f64] = &[
    0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0,
    2.5, 5.0, 7.5, 10.0,
];
