//! The words of a decision as sentences.
//!
//! A word that this version does not know is shown as it came: a newer gate may be asked by an older command line.

use crate::decide::decision::{Decision, NodeView, PlaceView, PresenceView};

/// Who is sent where and why, in one sentence.
pub(crate) fn answer(decision: &Decision) -> String {
    let viewer = decision.viewer.address.as_deref().unwrap_or("a viewer of unknown address");
    let place = place(&decision.place);
    let Some(chosen) = decision.nodes.iter().find(|node| decision.chosen.as_ref() == Some(&node.id)) else {
        return format!("{viewer}, {place}, is refused: {}.", refused(decision));
    };
    let gets = match decision.outcome.as_str() {
        "redirect" => "is redirected to",
        "link" => "gets a link to",
        "stream" => "gets a stream from",
        _ => "is served by",
    };
    format!("{viewer}, {place}, {gets} {}: {}.", chosen.id, reason(decision, chosen))
}

/// Who keeps the film going if the chosen node fails; nobody does for a viewer who was sent away.
pub(crate) fn alternates(decision: &Decision) -> String {
    match (decision.outcome.as_str(), &decision.alternates[..]) {
        ("stream", []) => "\nIf it fails, nobody is left to go on with the film.".to_owned(),
        ("stream", others) => format!("\nIf it fails, the film goes on from {}.", others.join(", then ")),
        _ => String::new(),
    }
}

fn refused(decision: &Decision) -> String {
    match decision.reason.as_str() {
        "all_down" => {
            format!("no node may take viewers, and watch.all_down is \"{}\"", decision.policy)
        }
        "unknown_film" => "no node holds the film".to_owned(),
        "deleted" => "the film is deleted".to_owned(),
        "no_answer" => "no node that could know says whether there is such a film".to_owned(),
        other => other.to_owned(),
    }
}

fn reason(decision: &Decision, chosen: &NodeView) -> String {
    let away = match chosen.distance_km {
        Some(km) if km < 0.5 => ", in the same place".to_owned(),
        Some(km) => format!(", {km:.0} km away"),
        None => String::new(),
    };
    match decision.reason.as_str() {
        "nearest" if chosen.distance_km.is_none() => {
            "without a place only load and hash choose, and they choose it".to_owned()
        }
        "nearest" => format!("the nearest node that takes viewers{away}"),
        "rule" => format!("an operator's rule for the viewer's {} names it{away}", tier(&chosen.tier)),
        "spread" => format!("about as near as the nearest, and this viewer's hash falls on it{away}"),
        "load" => format!("nearer nodes are busier{away}"),
        "all_down" => {
            format!("no node is healthy, and watch.all_down is \"{}\"{away}", decision.policy)
        }
        "node_failed" => format!("the nodes before it failed{away}"),
        "only_holder" => format!("no other node holds the film{away}"),
        other => format!("{other}{away}"),
    }
}

fn tier(tier: &str) -> &str {
    match tier {
        "cidr" => "network",
        "asn" => "autonomous system",
        other => other,
    }
}

/// Where a viewer is and how that is known.
fn place(place: &PlaceView) -> String {
    let at = place.lat.zip(place.lon).map(|(lat, lon)| coordinates(lat, lon));
    let country = place.country.as_deref().map(|country| format!("in {country}"));
    match (place.from.as_str(), at, country) {
        ("database", Some(at), country) => {
            let radius = place.radius_km.map(|km| format!(" within {km} km")).unwrap_or_default();
            match country {
                Some(country) => format!("{country} ({at}{radius})"),
                None => format!("at {at}{radius}"),
            }
        }
        ("country", _, Some(country)) => format!("somewhere {country}"),
        ("rule", Some(at), _) => format!("by a geoip.rule at {at}"),
        ("home", Some(at), _) => format!("of unknown place and so taken to be at geoip.home ({at})"),
        (_, _, Some(country)) => country,
        _ => "of unknown place".to_owned(),
    }
}

/// `52.37 N 4.90 E`
pub(crate) fn coordinates(lat: f64, lon: f64) -> String {
    let half = |degrees: f64, plus: char, minus: char| {
        format!("{:.2} {}", degrees.abs(), if degrees < 0.0 { minus } else { plus })
    };
    format!("{} {}", half(lat, 'N', 'S'), half(lon, 'E', 'W'))
}

/// Why a node does not take the viewer.
pub(super) fn dropped(word: &str) -> &str {
    match word {
        "disabled" => "switched off in the configuration",
        "draining" => "draining: an operator lets it take no new viewers",
        "unproven" => "no verdict of the health checks yet",
        "down" => "down by the health checks",
        "scheme" => "the viewer came by https, its public_url is http",
        "absent" => "does not hold the film",
        "deleted" => "the film is deleted there",
        "stale_version" => "holds an older version of the film",
        "unanswered" => "did not answer whether it holds the film",
        "forbidden" => "refuses our key for the film",
        "lower_tier" => "a rule names other nodes first",
        "over_budget" => "full: max_viewers are reached",
        "slow_start" => "just back: the part of its budget it may use so far is full",
        other => other,
    }
}

/// What a node said of the film, and how long ago.
pub(super) fn presence(word: Option<&PresenceView>) -> String {
    let Some(word) = word else { return "not asked".to_owned() };
    let age = if word.age_s < 1.0 { "just now".to_owned() } else { format!("{:.0} s ago", word.age_s) };
    match &word.failed {
        Some(failed) if word.said == "unanswered" => format!("{failed}, {age}"),
        Some(failed) => format!("{}, {age}; {failed} since", word.said),
        None => format!("{}, {age}", word.said),
    }
}
