//! Figures that stand while the process runs: which build it is, how old its data is, since when its configuration.

use prometheus::{IntGaugeVec, Opts, Registry};
use watchgate_geoip::{DatabaseInfo, DatabaseKind};

/// Where the build comes from: the image's build sets it.
const REVISION: Option<&str> = option_env!("WATCHGATE_REVISION");

/// Registers them; `loaded_unix_s` is when the configuration was read.
pub(super) fn register(
    registry: &Registry,
    databases: &[DatabaseInfo],
    loaded_unix_s: u64,
) -> prometheus::Result<()> {
    let info = family(registry, "build_info", "The build that runs; always 1.", &["version", "revision"])?;
    info.with_label_values(&[env!("CARGO_PKG_VERSION"), REVISION.unwrap_or("unknown")]).set(1);

    let about = "When the configuration in use was read, in Unix seconds.";
    let loaded = family(registry, "config_last_success_timestamp_seconds", about, &[])?;
    loaded.with_label_values::<&str>(&[]).set(seconds(loaded_unix_s));

    let about = "When the oldest GeoIP database of a type was built, in Unix seconds.";
    let built = family(registry, "geo_database_build_timestamp_seconds", about, &["type"])?;
    for kind in [DatabaseKind::City, DatabaseKind::Country, DatabaseKind::Asn] {
        let of_kind = databases.iter().filter(|database| database.kind == kind);
        if let Some(oldest) = of_kind.map(|database| database.build_epoch).min() {
            built.with_label_values(&[word(kind)]).set(seconds(oldest));
        }
    }
    Ok(())
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
