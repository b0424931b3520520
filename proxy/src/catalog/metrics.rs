//! What operators see of a catalog. The request path adds to [`Lookups`] and looks up no label.

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Seconds. From an index in memory on the same machine to `catalog.postgres.timeout`.
const QUESTION_BUCKETS_S: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

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

/// Of a database. The counters but `refused` are of questions that were asked.
#[cfg(feature = "postgres")]
#[derive(Clone, Debug)]
pub(super) struct DatabaseMetrics {
    pub(super) found: IntCounter,
    pub(super) none: IntCounter,
    pub(super) bad_row: IntCounter,
    pub(super) timeout: IntCounter,
    pub(super) error: IntCounter,
    pub(super) refused: IntCounter,
    pub(super) seconds: Histogram,
    pub(super) up: IntGauge,
    pub(super) known: IntGauge,
    pub(super) unknown: IntGauge,
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

#[cfg(feature = "postgres")]
impl DatabaseMetrics {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let questions = counters(
            registry,
            "watchgate_catalog_questions_total",
            "Questions to the catalog's database; refused: too many were asked already.",
        )?;
        let films = IntGaugeVec::new(
            Opts::new("watchgate_catalog_films", "Films that the catalog remembers the database's word on."),
            &["kind"],
        )
        .and_then(|family| registered(registry, family))?;
        let seconds = HistogramOpts::new(
            "watchgate_catalog_question_seconds",
            "Duration of questions to the catalog's database, failed ones and connecting included.",
        );
        let of = |result: &str| questions.with_label_values(&[result]);
        Ok(Self {
            found: of("found"),
            none: of("none"),
            bad_row: of("bad_row"),
            timeout: of("timeout"),
            error: of("error"),
            refused: of("refused"),
            seconds: Histogram::with_opts(seconds.buckets(QUESTION_BUCKETS_S.to_vec()))
                .and_then(|metric| registered(registry, metric))?,
            up: gauge(
                registry,
                "watchgate_catalog_database_up",
                "Whether the catalog's database answered when it was asked last; 0 before that.",
            )?,
            known: films.with_label_values(&["known"]),
            unknown: films.with_label_values(&["unknown"]),
        })
    }
}

fn counters(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), &["result"]).and_then(|family| registered(registry, family))
}

fn gauge(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntGauge> {
    IntGauge::new(name, help).and_then(|metric| registered(registry, metric))
}

fn registered<M: Collector + Clone + 'static>(registry: &Registry, metric: M) -> prometheus::Result<M> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
