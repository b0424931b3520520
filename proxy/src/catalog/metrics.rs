//! What operators see of a catalog. The request path adds to [`Lookups`] and looks up no label. Absent on purpose: what
//! they see of a database, which stands beside it.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Look-ups of films by what came of them.
#[derive(Clone, Debug)]
pub(super) struct Lookups {
    pub(super) hit: IntCounter,
    pub(super) unknown: IntCounter,
    pub(super) miss: IntCounter,
    pub(super) failed: IntCounter,
}

/// Of a list in a file.
#[derive(Clone, Debug)]
pub(super) struct FileMetrics {
    pub(super) rows: IntGauge,
    pub(super) bytes: IntGauge,
    pub(super) loaded_s: IntGauge,
    pub(super) reloaded: IntCounter,
    pub(super) failed: IntCounter,
}

impl Lookups {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let family = counters(
            registry,
            "watchgate_catalog_lookups_total",
            "Films looked up in the catalog: hit, unknown or failed. Those that had to ask the database first count as \
             miss as well.",
        )?;
        let of = |result: &str| family.with_label_values(&[result]);
        Ok(Self { hit: of("hit"), unknown: of("unknown"), miss: of("miss"), failed: of("failed") })
    }
}

impl FileMetrics {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let reloads = counters(
            registry,
            "watchgate_catalog_reloads_total",
            "Changes of the catalog's file that were taken, or refused because of a fault.",
        )?;
        Ok(Self {
            rows: gauge(registry, "watchgate_catalog_rows", "Films in the catalog's file as it is used.")?,
            bytes: gauge(registry, "watchgate_catalog_bytes", "Memory that the catalog's list takes.")?,
            loaded_s: gauge(
                registry,
                "watchgate_catalog_loaded_timestamp_seconds",
                "When the list that is used was read.",
            )?,
            reloaded: reloads.with_label_values(&["ok"]),
            failed: reloads.with_label_values(&["failed"]),
        })
    }
}

pub(super) fn counters(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), &["result"]).and_then(|family| registered(registry, family))
}

pub(super) fn gauge(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntGauge> {
    IntGauge::new(name, help).and_then(|metric| registered(registry, metric))
}

pub(super) fn registered<M: Collector + Clone + 'static>(
    registry: &Registry,
    metric: M,
) -> prometheus::Result<M> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
