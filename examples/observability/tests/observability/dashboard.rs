//! The dashboard asks for metrics and labels that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::Registry;
use prometheus::proto::MetricType;
use serde_json::Value;
use session_kit::observe::{Observed, SessionMetrics};
use session_kit::{
    Clock as _, Ending, ErrorKind, Layered, Load, MemoryStore, Observer as _, Rejection,
    SessionEvent, Source, Stage, Store as _,
};
use session_testkit::{FaultyStore, ManualClock, Method, sample};

const DASHBOARD: &str = include_str!("../../grafana-dashboard.json");

/// Labels by the name of a metric, as Prometheus has them.
type Metrics = BTreeMap<String, BTreeSet<String>>;

#[tokio::test]
async fn the_dashboard_asks_for_what_there_is() {
    let exported = exported().await;
    let queries = queries();
    assert!(queries.len() > 25, "{queries:?}");
    let mut asked = BTreeSet::new();
    for query in &queries {
        let Query { metrics, labels } = Query::read(query);
        assert!(!metrics.is_empty(), "{query}");
        for metric in metrics {
            let known = exported.get(&metric).unwrap_or_else(|| panic!("{metric}: {query}"));
            let of_prometheus = ["instance", "job"].map(str::to_owned);
            for label in labels.iter().filter(|label| !of_prometheus.contains(label)) {
                assert!(known.contains(label), "{metric} has no {label}: {query}");
            }
            asked.insert(metric);
        }
    }
    // Nothing of ours is left out. Sums go with counts.
    let shown = |name: &str| asked.iter().any(|it| it.starts_with(base(name)));
    let left_out: Vec<&String> = exported.keys().filter(|name| !shown(name)).collect();
    assert!(left_out.is_empty(), "{left_out:?}");
}

#[test]
fn panels_are_numbered_and_do_not_overlap() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in panels {
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(x < 24 && taken.insert((x, y)), "{}", panel["title"]);
            }
        }
        let is_row = panel["type"] == "row";
        assert!(is_row || panel["datasource"]["uid"] == "${datasource}", "{}", panel["title"]);
    }
}

fn base(name: &str) -> &str {
    ["_bucket", "_count", "_sum"].iter().find_map(|it| name.strip_suffix(it)).unwrap_or(name)
}

fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The names in a query.
struct Query {
    metrics: BTreeSet<String>,
    labels: BTreeSet<String>,
}

impl Query {
    fn read(query: &str) -> Self {
        let (mut metrics, mut labels) = (BTreeSet::new(), BTreeSet::new());
        let mut among_labels = false;
        let mut words = words(query).into_iter().peekable();
        while let Some(word) = words.next() {
            let next = words.peek().map(String::as_str);
            match word.as_str() {
                "by" | "{" => among_labels = true,
                ")" | "}" => among_labels = false,
                _ if !word.starts_with(|it: char| it.is_ascii_alphabetic()) => {}
                _ if among_labels => drop(labels.insert(word)),
                // A function.
                _ if next == Some("(") || next == Some("by") => {}
                _ => drop(metrics.insert(word)),
            }
        }
        labels.remove("le");
        Self { metrics, labels }
    }
}

/// Names, and the signs between them; no values, which are in quotes, nor ranges.
fn words(query: &str) -> Vec<String> {
    let mut words = Vec::new();
    let unquoted = query.split('"').step_by(2).collect::<String>();
    let unquoted = unquoted.replace("[$__rate_interval]", " ");
    let mut word = String::new();
    // A space ends the last one.
    for character in unquoted.chars().chain([' ']) {
        if character.is_ascii_alphanumeric() || character == '_' || character == '.' {
            word.push(character);
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if !character.is_whitespace() {
            words.push(character.to_string());
        }
    }
    words
}

#[test]
fn names_are_found_in_queries() {
    let query = r#"sum by (le, a) (rate(m_count{b="x(y)",c=~"$d"}[$__rate_interval])) / n"#;
    let Query { metrics, labels } = Query::read(query);
    assert_eq!(metrics, ["m_count", "n"].map(str::to_owned).into());
    assert_eq!(labels, ["a", "b", "c"].map(str::to_owned).into());
}

/// Everything that can be counted, once each.
async fn exported() -> Metrics {
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(false);
    let provider = SdkMeterProvider::builder().with_reader(exporter.build().unwrap()).build();
    let meter = provider.meter("test");
    let metrics = SessionMetrics::new(&meter);
    for event in [
        SessionEvent::Loaded(Source::Local),
        SessionEvent::Absent,
        SessionEvent::Rejected(Rejection::Malformed),
        SessionEvent::Created,
        SessionEvent::Replaced,
        SessionEvent::Rotated,
        SessionEvent::Touched,
        SessionEvent::Destroyed(Ending::Request),
        SessionEvent::Expired,
        SessionEvent::Gone,
        SessionEvent::Conflict,
        SessionEvent::Replayed(1),
        SessionEvent::Failed(Stage::Save, ErrorKind::Timeout),
    ] {
        metrics.observe(event);
    }
    let cached = Layered::builder(MemoryStore::new()).meter(meter.clone()).build().unwrap();
    while cached.stats().lag.is_zero() {
        tokio::task::yield_now().await;
    }
    let key = sample::key();
    Observed::new(cached, "cached", &meter).load(&key, Load::default()).await.unwrap();
    let clock = ManualClock::default();
    let memory = MemoryStore::builder().clock(Arc::new(clock.clone())).build().unwrap();
    let faulty = Arc::new(FaultyStore::new(Arc::new(memory)));
    // Another test may watch this one's spans, and is to find none of its own names.
    let store = Observed::shared(faulty.clone(), "faulty", &meter);
    faulty.fail_next(Method::Load, ErrorKind::Timeout);
    store.load(&key, Load::default()).await.unwrap_err();
    store.create(&key, &sample::record(clock.now())).await.unwrap();
    clock.advance(Duration::from_secs(365 * 24 * 60 * 60));
    assert_eq!(store.purge_expired(1).await.unwrap(), 1);
    names(&registry)
}

fn names(registry: &Registry) -> Metrics {
    let mut metrics = Metrics::new();
    let families = registry.gather();
    for family in families.iter().filter(|family| family.name() != "target_info") {
        let points = family.get_metric().iter().flat_map(|it| it.get_label());
        let labels: BTreeSet<String> = points.map(|label| label.name().to_owned()).collect();
        let suffixes: &[&str] = match family.get_field_type() {
            MetricType::HISTOGRAM => &["_bucket", "_count", "_sum"],
            _ => &[""],
        };
        for suffix in suffixes {
            metrics.insert(format!("{}{suffix}", family.name()), labels.clone());
        }
    }
    metrics
}
