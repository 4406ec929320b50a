//! A meter whose metrics the test reads.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};

pub(crate) struct Metered {
    provider: SdkMeterProvider,
    exporter: InMemoryMetricExporter,
}

/// As it was exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exported {
    pub(crate) instrument: &'static str,
    pub(crate) unit: String,
    /// How often or how many, by attributes: `a=1,b=2`.
    pub(crate) counts: BTreeMap<String, u64>,
}

impl Exported {
    pub(crate) fn attributes(&self) -> BTreeSet<String> {
        let pairs = self.counts.keys().flat_map(|key| key.split(','));
        let names = pairs.filter_map(|pair| pair.split_once('='));
        names.map(|(name, _)| name.to_owned()).collect()
    }
}

impl Metered {
    pub(crate) fn new() -> Self {
        let exporter = InMemoryMetricExporter::default();
        let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter.clone()).build();
        Self { provider, exporter }
    }

    pub(crate) fn meter(&self) -> Meter {
        self.provider.meter("test")
    }

    /// All metrics there are now, by name.
    pub(crate) fn export(&self) -> BTreeMap<String, Exported> {
        self.exporter.reset();
        self.provider.force_flush().unwrap();
        let resources = self.exporter.get_finished_metrics().unwrap();
        let latest = resources.last().into_iter();
        let scopes = latest.flat_map(|resource| resource.scope_metrics());
        let metrics = scopes.flat_map(|scope| scope.metrics());
        metrics.map(|metric| (metric.name().to_owned(), exported(metric))).collect()
    }

    /// The counts of one metric; none if it is not there.
    pub(crate) fn counts(&self, name: &str) -> BTreeMap<String, u64> {
        self.export().remove(name).unwrap_or_default().counts
    }

    /// All that a collector would get, as text.
    pub(crate) fn text(&self) -> String {
        self.provider.force_flush().unwrap();
        format!("{:?}", self.exporter.get_finished_metrics().unwrap())
    }
}

fn exported(metric: &Metric) -> Exported {
    let (instrument, counts) = match metric.data() {
        AggregatedMetrics::U64(MetricData::Sum(sum)) => {
            let points = sum.data_points().map(|it| (shown(it.attributes()), it.value()));
            (if sum.is_monotonic() { "counter" } else { "up-down counter" }, points.collect())
        }
        AggregatedMetrics::U64(MetricData::Gauge(gauge)) => {
            let points = gauge.data_points().map(|it| (shown(it.attributes()), it.value()));
            ("gauge", points.collect())
        }
        AggregatedMetrics::F64(MetricData::Gauge(gauge)) => {
            let points = gauge.data_points().map(|it| (shown(it.attributes()), it.value() as u64));
            ("gauge", points.collect())
        }
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
            let points = histogram.data_points().map(|it| (shown(it.attributes()), it.count()));
            ("histogram", points.collect())
        }
        other => panic!("nobody makes such an instrument: {} {other:?}", metric.name()),
    };
    Exported { instrument, unit: metric.unit().to_owned(), counts }
}

fn shown<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> String {
    let mut pairs: Vec<String> =
        attributes.map(|pair| format!("{}={}", pair.key, pair.value)).collect();
    pairs.sort();
    pairs.join(",")
}
