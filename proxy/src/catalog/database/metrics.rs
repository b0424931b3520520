//! What operators see of a catalog's database and of what is remembered of it.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

use crate::catalog::metrics::{counters, gauge, registered};

/// Seconds. From an index in memory on the same machine to `catalog.postgres.timeout`.
const QUESTION_BUCKETS_S: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Of a database. The counters but `refused` are of questions that were asked.
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
