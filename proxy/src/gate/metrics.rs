//! What the gate counts about requests. Handles are resolved once; the request path only adds.
//!
//! Labels come from closed lists of words. Absent on purpose: films, addresses and paths as labels.

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

use crate::decide::plan::Why;
use crate::refusal::Refusal;
use crate::state::places::PlaceFrom;

/// Why a film was cut in the middle: nodes failed, or were too late.
const CUT: [&str; 2] = ["node_failed", "node_timeout"];

/// Counters of one gate.
#[derive(Debug)]
pub struct RequestMetrics {
    redirect: [IntCounter; Why::ALL.len()],
    link: [IntCounter; Why::ALL.len()],
    stream: [IntCounter; Why::ALL.len()],
    not_modified: [IntCounter; Why::ALL.len()],
    /// By [`CUT`].
    cut: [IntCounter; CUT.len()],
    refused: [IntCounter; Refusal::LABELS.len()],
    /// The viewer went away before the answer was written.
    pub viewer_left: IntCounter,
    /// `OPTIONS` answered.
    pub preflight: IntCounter,
    /// From the request's head to the decision.
    pub decision_seconds: Histogram,
    geo: [IntCounter; PlaceFrom::ALL.len()],
}

impl RequestMetrics {
    /// Registers the families.
    ///
    /// # Errors
    /// If the registry already has a family of one of these names.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let requests = IntCounterVec::new(
            Opts::new("watchgate_requests_total", "Requests under the watch prefix, by outcome and reason."),
            &["outcome", "reason"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        // A decision takes microseconds: powers of two from one upward show where it does not.
        let buckets = prometheus::exponential_buckets(1e-6, 2.0, 14)?;
        let decision = HistogramVec::new(
            HistogramOpts::new("watchgate_decision_seconds", "From a request's head to the decision.")
                .buckets(buckets),
            &[],
        )?;
        registry.register(Box::new(decision.clone()))?;
        let geo = IntCounterVec::new(
            Opts::new("watchgate_geo_lookups_total", "Where viewers' coordinates came from."),
            &["result"],
        )?;
        registry.register(Box::new(geo.clone()))?;
        let counter = |outcome, reason| requests.with_label_values(&[outcome, reason]);
        Ok(Self {
            redirect: Why::ALL.map(|why| counter("redirect", why.as_str())),
            link: Why::ALL.map(|why| counter("link", why.as_str())),
            stream: Why::ALL.map(|why| counter("stream", why.as_str())),
            not_modified: Why::ALL.map(|why| counter("not_modified", why.as_str())),
            cut: CUT.map(|why| counter("cut", why)),
            refused: Refusal::LABELS.map(|label| counter("refused", label)),
            viewer_left: counter("viewer_left", "viewer_left"),
            preflight: counter("preflight", "preflight"),
            decision_seconds: decision.with_label_values::<&str>(&[]),
            geo: PlaceFrom::ALL.map(|from| geo.with_label_values(&[from.as_str()])),
        })
    }

    /// One more redirect.
    pub fn redirected(&self, why: Why) {
        self.redirect[why as usize].inc();
    }

    /// One more link as JSON.
    pub fn linked(&self, why: Why) {
        self.link[why as usize].inc();
    }

    /// One more film through the gate, or none because the viewer has it.
    pub fn streamed(&self, why: Why, is_modified: bool) {
        let counters = if is_modified { &self.stream } else { &self.not_modified };
        counters[why as usize].inc();
    }

    /// One more film that ended in the middle; returns the reason's word.
    #[must_use]
    pub fn cut(&self, is_late: bool) -> &'static str {
        self.cut[usize::from(is_late)].inc();
        CUT[usize::from(is_late)]
    }

    /// One more refusal.
    pub fn refused(&self, refusal: Refusal) {
        self.refused[refusal.index()].inc();
    }

    /// One more place looked up.
    pub fn located(&self, from: PlaceFrom) {
        self.geo[from as usize].inc();
    }
}
