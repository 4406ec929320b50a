//! What arrives at a collector.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::{COOKIE, SET_COOKIE};
use observability::{Telemetry, app, sessions};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tower::ServiceExt as _;

use crate::collector::{Attributes, Collector, shown};

/// A browser.
struct Client {
    app: Router,
    cookie: String,
}

impl Client {
    async fn send(&mut self, method: &str, path: &str) -> u16 {
        let request = Request::builder().method(method).uri(path).header(COOKIE, &self.cookie);
        let request = request.body(Body::empty()).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        if let Some(set) = response.headers().get(SET_COOKIE) {
            self.cookie = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
        response.status().as_u16()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_and_metrics_arrive_with_names_and_attributes() {
    let (collector, address) = Collector::start().await;
    let telemetry = Telemetry::to(&address).unwrap();
    tracing::subscriber::set_global_default(telemetry.subscriber()).unwrap();
    let sessions = sessions(telemetry.meter()).unwrap();
    let mut client = Client { app: app(sessions.clone()), cookie: String::new() };
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/"),
        ("POST", "/sign-in/ada-lovelace"),
        ("GET", "/"),
        ("POST", "/sign-out"),
        ("GET", "/nowhere"),
    ] {
        let status = client.send(method, path).await;
        assert_eq!(status, if path == "/nowhere" { 404 } else { 200 }, "{method} {path}");
    }
    client.cookie = "id=nonsense".to_owned();
    client.send("GET", "/").await;
    tokio::task::spawn_blocking(move || telemetry.shutdown()).await.unwrap().unwrap();

    spans(&collector);
    metrics(&collector);
    let everything = format!("{:?} {:?}", collector.spans(), collector.metrics());
    assert!(!everything.contains("ada-lovelace") && !everything.contains("nonsense"));
}

fn spans(collector: &Collector) {
    let spans = collector.spans();
    let named = |name: &str| -> Vec<&Span> { spans.iter().filter(|it| it.name == name).collect() };
    let requests = named("http.request");
    assert_eq!(requests.len(), 7);
    assert!(requests.iter().all(|span| span.kind == SpanKind::Server as i32));
    for (name, attributes) in [
        (
            "http.request",
            &[("http.route", "/sign-in/{name}"), ("http.response.status_code", "200")],
        ),
        ("session.load", &[("session.outcome", "rejected"), ("session.outcome", "rejected")]),
        ("session.save", &[("session.operation", "create"), ("session.outcome", "done")]),
        ("session.save", &[("session.operation", "rotate"), ("session.conflicts", "0")]),
        ("session.save", &[("session.operation", "delete"), ("session.outcome", "done")]),
        (
            "session.store.rotate",
            &[("session.backend", "layered"), ("session.outcome", "replaced")],
        ),
        ("session.store.rotate", &[("session.backend", "memory"), ("session.outcome", "replaced")]),
    ] {
        let found = named(name).into_iter().any(|span| has(&shown(&span.attributes), attributes));
        assert!(found, "{name} {attributes:?}: {spans:#?}");
    }
    // Each within the other: request, save, the cache, the store behind it.
    let parent = |span: &Span| spans.iter().find(|it| it.span_id == span.parent_span_id);
    let inner = named("session.store.create")
        .into_iter()
        .find(|span| has(&shown(&span.attributes), &[("session.backend", "memory")]));
    let mut names = Vec::new();
    let mut next = inner;
    while let Some(span) = next {
        names.push(span.name.as_str());
        next = parent(span);
    }
    let expected = ["session.store.create", "session.store.create", "session.save", "http.request"];
    assert_eq!(names, expected);
    let service = [("service.name", "observability")];
    assert!(collector.services().iter().any(|resource| has(resource, &service)));
}

fn metrics(collector: &Collector) {
    let metrics = collector.metrics();
    for (name, unit, attributes) in [
        ("session.created", "{session}", &[] as &[_]),
        ("session.rotated", "{session}", &[]),
        ("session.destroyed", "{session}", &[("session.reason", "request")]),
        ("session.tokens.rejected", "{token}", &[("session.reason", "malformed")]),
        ("session.loads", "{load}", &[("session.outcome", "found")]),
        (
            "session.store.operation.duration",
            "s",
            &[
                ("session.backend", "memory"),
                ("session.operation", "rotate"),
                ("session.outcome", "replaced"),
            ],
        ),
        ("session.store.operation.duration", "s", &[("session.backend", "layered")]),
        ("session.cache.reads", "{read}", &[("session.cache.result", "hit")]),
        ("session.cache.lease", "s", &[]),
        ("session.cache.lanes", "{lane}", &[("session.cache.state", "leased")]),
        ("session.cache.touches.waiting", "{touch}", &[]),
    ] {
        let (metric, points) = metrics.get(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(metric.unit, unit, "{name}");
        assert!(!metric.description.is_empty(), "{name}");
        assert!(points.iter().any(|point| has(point, attributes)), "{name} {points:?}");
    }
}

fn has(attributes: &Attributes, expected: &[(&str, &str)]) -> bool {
    expected.iter().all(|(name, value)| attributes.get(*name).is_some_and(|it| it == value))
}
