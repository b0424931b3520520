//! What is counted of routes and their servers. Handles are resolved once; a request only adds.
//!
//! Labels are prefixes and servers as they are configured, and closed lists of words. Absent on purpose: paths, addresses,
//! and a server's single addresses.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::refusal::route::RouteRefusal;

/// What became of a request, by its status or by how it ended without one.
const CLASSES: [&str; 8] = ["upgraded", "2xx", "3xx", "4xx", "5xx", "refused", "viewer_left", "cut"];

/// Seconds. From a server on the same machine to `read_timeout`.
const FIRST_BYTE_BUCKETS_S: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// How a routed request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With a server's answer of this status.
    Answered(u16),
    /// With a refusal of the gate's.
    Refused(RouteRefusal),
    /// The viewer went away.
    ViewerLeft,
    /// A server broke off in the middle of its answer.
    Cut,
}

/// The families, registered once.
pub(super) struct RouteFamilies {
    requests: IntCounterVec,
    failures: IntCounterVec,
    retries: IntCounterVec,
    first_byte: HistogramVec,
    up: IntGaugeVec,
}

/// The handles of one route.
pub(super) struct RouteMetrics {
    requests: [IntCounter; CLASSES.len()],
    failures: [IntCounter; RouteRefusal::LABELS.len()],
    /// Another server was tried.
    pub(super) retries: IntCounter,
    /// From the request's head to that of the answer.
    pub(super) first_byte: Histogram,
}

impl RouteFamilies {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counters = |name: &str, about: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, about), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let requests = counters(
            "watchgate_route_requests_total",
            "Requests that are not for films, by route and by what became of them.",
            &["route", "class"],
        )?;
        let failures = counters(
            "watchgate_route_refusals_total",
            "Requests to a route that the gate answered itself, by reason.",
            &["route", "reason"],
        )?;
        let retries = counters(
            "watchgate_route_retries_total",
            "Requests that were passed to another server because one could not be reached.",
            &["route"],
        )?;
        let first_byte = HistogramVec::new(
            HistogramOpts::new(
                "watchgate_route_first_byte_seconds",
                "From a request's head to the answer's.",
            )
            .buckets(FIRST_BYTE_BUCKETS_S.to_vec()),
            &["route"],
        )?;
        registry.register(Box::new(first_byte.clone()))?;
        let about = "Whether a server of a route is up: 1 if any of its addresses is.";
        let up = IntGaugeVec::new(Opts::new("watchgate_route_upstream_up", about), &["route", "upstream"])?;
        registry.register(Box::new(up.clone()))?;
        Ok(Self { requests, failures, retries, first_byte, up })
    }

    pub(super) fn route(&self, prefix: &str) -> RouteMetrics {
        RouteMetrics {
            requests: CLASSES.map(|class| self.requests.with_label_values(&[prefix, class])),
            failures: RouteRefusal::LABELS.map(|reason| self.failures.with_label_values(&[prefix, reason])),
            retries: self.retries.with_label_values(&[prefix]),
            first_byte: self.first_byte.with_label_values(&[prefix]),
        }
    }

    pub(super) fn up(&self, prefix: &str, server: &str) -> IntGauge {
        self.up.with_label_values(&[prefix, server])
    }
}

impl RouteMetrics {
    /// One more request that ended so.
    pub(super) fn ended(&self, end: End) {
        let class = match end {
            End::Answered(101) => 0,
            End::Answered(status) => usize::from(status / 100).clamp(2, 5) - 1,
            End::Refused(refusal) => {
                self.failures[refusal.index()].inc();
                5
            }
            End::ViewerLeft => 6,
            End::Cut => 7,
        };
        self.requests[class].inc();
    }
}
