//! Figures that stand from one reload to the next: which build it is, how old its data is, since when its configuration.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use watchgate_geoip::{DatabaseInfo, DatabaseKind};

/// Where the build comes from: the image's build sets it.
const REVISION: Option<&str> = option_env!("WATCHGATE_REVISION");

/// See the module.
pub(super) struct Standing {
    loaded: IntGauge,
    built: IntGaugeVec,
    taken: IntCounter,
    refused: IntCounter,
}

impl Standing {
    /// Registers them.
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let info =
            family(registry, "build_info", "The build that runs; always 1.", &["version", "revision"])?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION"), REVISION.unwrap_or("unknown")]).set(1);
        let about = "When the configuration in use was read, in Unix seconds.";
        let loaded = family(registry, "config_last_success_timestamp_seconds", about, &[])?;
        let about = "When the oldest GeoIP database of a type was built, in Unix seconds.";
        let built = family(registry, "geo_database_build_timestamp_seconds", about, &["type"])?;
        let about = "Times that the configuration was read again, by what became of it.";
        let reloads = Opts::new("watchgate_config_reloads_total", about);
        let reloads = IntCounterVec::new(reloads, &["result"])?;
        registry.register(Box::new(reloads.clone()))?;
        let [taken, refused] = ["ok", "failed"].map(|result| reloads.with_label_values(&[result]));
        Ok(Self { loaded: loaded.with_label_values::<&str>(&[]), built, taken, refused })
    }

    /// A configuration is in use that was read at `unix_s`, with these databases.
    pub(super) fn loaded(&self, databases: &[DatabaseInfo], unix_s: u64) {
        self.loaded.set(seconds(unix_s));
        self.built.reset();
        for kind in [DatabaseKind::City, DatabaseKind::Country, DatabaseKind::Asn] {
            let of_kind = databases.iter().filter(|database| database.kind == kind);
            if let Some(oldest) = of_kind.map(|database| database.build_epoch).min() {
                self.built.with_label_values(&[word(kind)]).set(seconds(oldest));
            }
        }
    }

    /// The configuration was read again.
    pub(super) fn reloaded(&self, is_taken: bool) {
        if is_taken { self.taken.inc() } else { self.refused.inc() }
    }
}

fn family(registry: &Registry, name: &str, about: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
    let family = IntGaugeVec::new(Opts::new(format!("watchgate_{name}"), about), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

fn word(kind: DatabaseKind) -> &'static str {
    match kind {
        DatabaseKind::City => "city",
        DatabaseKind::Country => "country",
        _ => "asn",
    }
}

fn seconds(unix_s: u64) -> i64 {
    i64::try_from(unix_s).unwrap_or(i64::MAX)
}
