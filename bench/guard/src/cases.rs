//! What is guarded, by name: each case runs in a process of its own, so that none disturbs another's count.
//!
//! They are set up with `expect`, as benches are: what fails here fails the run. Absent on purpose: judgement, and the
//! counts themselves.

use crate::callgrind::Spent;
use crate::count::Count;

mod decision;
mod gate;
mod line;
mod node;
mod pump;
mod reading;
mod signing;

#[path = "../../../geoip/benches/fixture/city.rs"]
mod city;
#[path = "../../../proxy/benches/fixture/fleet.rs"]
mod fleet;
#[path = "../../../proxy/benches/fixture/signing.rs"]
mod keyed;

/// One operation that is guarded.
#[derive(Debug)]
pub(crate) struct Case {
    /// Its name in the file of baselines.
    pub(crate) name: &'static str,
    /// What is counted, for those who read the table.
    pub(crate) about: &'static str,
    /// Which of its instructions are guarded.
    pub(crate) part: fn(Spent) -> u64,
    pub(crate) run: fn(&mut Count),
}

/// All of them, in the order of a request.
pub(crate) const CASES: &[Case] = &[
    own("path", "a request's method and path, to a film", reading::path),
    own("viewer", "a viewer's address behind two trusted proxies", reading::viewer),
    own("range", "a Range field and the size of a film, to the bytes wanted", reading::range),
    own("presence", "a film's name to which of five nodes hold it", decision::presence),
    own("decision_5", "an address to a link, 5 nodes", decision::five),
    own("decision_5_known", "the same, with who holds the film", decision::known),
    own("decision_1000", "an address to a link, 1,000 nodes", decision::thousand),
    own("link", "the signature of a link", signing::link),
    hashing("link_hash", "SHA-256 in the signature of a link", signing::link),
    own("node_request", "the signature of a request to a node", signing::headers),
    own("access_line", "an access line, to the queue of its writer", line::access_line),
    own("redirect", "a redirect in the gate, from its head to its access line", gate::redirect),
    own("pump_piece", "the rules for one piece of a film", pump::piece),
    own("pump_window", "the rules for one window of a film", pump::window),
    own("film", "a film of one window, 256 KiB, through the gate", gate::film),
];

/// The case of this name.
pub(crate) fn named(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.name == name)
}

/// All but SHA-256.
const fn own(name: &'static str, about: &'static str, run: fn(&mut Count)) -> Case {
    Case { name, about, part: |spent| spent.otherwise, run }
}

const fn hashing(name: &'static str, about: &'static str, run: fn(&mut Count)) -> Case {
    Case { name, about, part: |spent| spent.hashing, run }
}
