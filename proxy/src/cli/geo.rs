//! `watchgate geo`: what the databases and rules say of an address, field by field, and which of them said it.
//!
//! The place is the gate's own; only the question which file knew a field is answered here, by asking each alone.

use std::net::IpAddr;

use serde::Serialize;
use watchgate_geoip::{Databases, Place};

use super::args::GeoArgs;
use super::config_file::Setup;
use super::explain::{coordinates, offline};
use super::table::{Cell, Side, Table};
use super::terminal::{Look, Paint, Terminal};
use super::{Done, Failure, json};
use crate::decide::client::Scheme;
use crate::decide::decision::PlaceView;
use crate::decide::watch::{Film, Method};
use crate::gate::{Ask, Gate};

/// What is known of one address.
#[derive(Debug, Serialize)]
struct Known {
    address: IpAddr,
    /// As in a decision.
    place: PlaceView,
    sources: Sources,
    /// Nodes that a rule names for the viewer; they come before all others.
    nodes_first: Vec<String>,
    /// What that rule goes by: `cidr`, `asn` or `country`.
    nodes_first_by: Option<String>,
}

/// Which file knew the field first; `null`: none.
#[derive(Debug, Default, Serialize)]
struct Sources {
    coordinates: Option<String>,
    country: Option<String>,
    continent: Option<String>,
    asn: Option<String>,
}

pub(crate) fn geo(setup: &Setup, args: &GeoArgs, terminal: Terminal) -> Result<Done, Failure> {
    let gate = offline(setup.config().clone(), setup.databases()?)?;
    let files = setup.each_database()?;
    let known: Vec<Known> = args.addresses.iter().map(|address| known(&gate, &files, *address)).collect();
    let text = if args.form.json {
        json(&known)?
    } else {
        known.iter().map(|known| render(known, terminal.out)).collect::<Vec<_>>().join("\n")
    };
    terminal.done(&text, Done::Yes)
}

fn known(gate: &Gate, files: &[(String, Databases)], address: IpAddr) -> Known {
    let film = Film::from_bytes([0; 16]);
    let decision = gate.explain(&Ask {
        film,
        path: String::new(),
        address,
        method: Method::Get,
        scheme: Scheme::Http,
        mode: None,
    });
    let named: Vec<_> = decision.nodes.iter().filter(|node| node.tier != "geo").collect();
    // Rules by cidr beat rules by asn, and those beat rules by country.
    let best =
        ["cidr", "asn", "country"].into_iter().find(|tier| named.iter().any(|node| node.tier == *tier));
    let mut first: Vec<String> =
        named.iter().filter(|node| Some(&*node.tier) == best).map(|node| node.id.clone()).collect();
    first.sort();
    Known {
        address,
        place: decision.place,
        sources: sources(files, address),
        nodes_first: first,
        nodes_first_by: best.map(str::to_owned),
    }
}

fn sources(files: &[(String, Databases)], address: IpAddr) -> Sources {
    let places: Vec<(&String, Place)> =
        files.iter().map(|(name, file)| (name, file.lookup(address))).collect();
    let first = |knows: fn(&Place) -> bool| {
        places.iter().find(|(_, place)| knows(place)).map(|(name, _)| (*name).clone())
    };
    Sources {
        coordinates: first(|place| place.at.is_some()),
        country: first(|place| place.country.is_some()),
        continent: first(|place| place.continent.is_some()),
        asn: first(|place| place.asn.is_some()),
    }
}

fn render(known: &Known, paint: Paint) -> String {
    let place = &known.place;
    let mut table = Table::new([("field", Side::Left), ("value", Side::Left), ("from", Side::Left)]);
    let unknown = || Cell::new(Look::Faint, "unknown");
    let at = place.lat.zip(place.lon).map(|(lat, lon)| {
        let radius = place.radius_km.map(|km| format!(" within {km} km")).unwrap_or_default();
        format!("{}{radius}", coordinates(lat, lon))
    });
    let at_from = match place.from.as_str() {
        "database" => known.sources.coordinates.as_deref().unwrap_or_default(),
        "rule" => "geoip.rule",
        "country" => "the middle of the country",
        "home" => "geoip.home",
        _ => "",
    };
    table.row(["coordinates".into(), at.map_or_else(unknown, Cell::from), at_from.into()]);
    let asn = place.asn.map(|asn| format!("AS{asn}"));
    for (field, value, from) in [
        ("country", place.country.clone(), &known.sources.country),
        ("continent", place.continent.clone(), &known.sources.continent),
        ("network", asn, &known.sources.asn),
    ] {
        let from = from.as_deref().filter(|_| value.is_some()).unwrap_or_default();
        table.row([field.into(), value.map_or_else(unknown, Cell::from), from.into()]);
    }
    if let Some(by) = &known.nodes_first_by {
        let from = format!("geoip.rule by {by}");
        table.row(["first nodes".into(), known.nodes_first.join(", ").into(), from.into()]);
    }
    format!("{}\n{}", paint.paint(Look::Strong, &known.address.to_string()), table.render(paint))
}
