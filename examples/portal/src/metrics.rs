//! What is measured, and how Prometheus gets it.

use std::sync::Arc;

use opentelemetry::metrics::{Histogram, Meter, MeterProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use session_kit::Store;

use crate::metered::Metered;

/// The instruments, and the registry that they end up in. No label ever holds an id.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// Instruments are silent once this is gone.
    _provider: SdkMeterProvider,
    meter: Meter,
    operations: Histogram<f64>,
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
        let operations = histogram(
            "session.store.operation.duration",
            "Duration of calls to the session store",
            STORE_BOUNDARIES,
        );
        let requests =
            histogram("http.server.request.duration", "Duration of HTTP requests", HTTP_BOUNDARIES);
        Ok(Self { registry, _provider: provider, meter, operations, requests })
    }

    /// The same store, with its calls counted and timed.
    pub fn around(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Metered::new(store, self.operations.clone()))
    }

    /// For stores that report what they do by themselves.
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

/// Seconds: from an embedded store to one that does not answer.
const STORE_BOUNDARIES: &[f64] = &[
    0.000_005, 0.000_02, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1.0,
];

/// Seconds: those of the semantic conventions, and finer ones below them.
const HTTP_BOUNDARIES: &[f64] = &[
    0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0,
    2.5, 5.0, 7.5, 10.0,
];
