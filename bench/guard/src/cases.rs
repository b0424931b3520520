//! What is guarded, by name: each case runs in a process of its own, so that none disturbs another's count.
//!
//! Absent on purpose: judgement, and the counts themselves.

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
pub(crate) struct Case {
    /// Its name in the file of baselines.
    pub(crate) name: &'static str,
    /// What is counted, for those who read the table.
    pub(crate) about: &'static str,
    /// How much more than its baseline it may cost, in per cent.
    pub(crate) tolerance_percent: f64,
    pub(crate) run: fn(&mut Count),
}

/// The same program counts the same to a fraction of this.
const EXACT: f64 = 3.0;

/// All of them, in the order of a request.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "path",
        about: "a request's method and path, to a film",
        tolerance_percent: EXACT,
        run: reading::path,
    },
    Case {
        name: "viewer",
        about: "a viewer's address behind two trusted proxies",
        tolerance_percent: EXACT,
        run: reading::viewer,
    },
    Case {
        name: "range",
        about: "a Range field and the size of a film, to the bytes wanted",
        tolerance_percent: EXACT,
        run: reading::range,
    },
    Case {
        name: "presence",
        about: "what is known of a film and of five nodes that hold it",
        tolerance_percent: EXACT,
        run: decision::presence,
    },
    Case {
        name: "decision_5",
        about: "an address to a link: 5 nodes",
        tolerance_percent: EXACT,
        run: decision::five,
    },
    Case {
        name: "decision_5_known",
        about: "the same with who holds the film",
        tolerance_percent: EXACT,
        run: decision::known,
    },
    Case {
        name: "decision_1000",
        about: "an address to a link: 1,000 nodes",
        tolerance_percent: EXACT,
        run: decision::thousand,
    },
    Case { name: "link", about: "the signature of a link", tolerance_percent: EXACT, run: signing::link },
    Case {
        name: "node_request",
        about: "the signature of a request to a node",
        tolerance_percent: EXACT,
        run: signing::headers,
    },
    Case {
        name: "access_line",
        about: "an access line, to the queue of its writer",
        tolerance_percent: EXACT,
        run: line::access_line,
    },
    Case {
        name: "redirect",
        about: "a request in the gate: from its head to its access line",
        tolerance_percent: EXACT,
        run: gate::redirect,
    },
    Case {
        name: "pump_piece",
        about: "the rules for one piece of a film",
        tolerance_percent: EXACT,
        run: pump::piece,
    },
    Case {
        name: "pump_window",
        about: "the rules for one window of a film",
        tolerance_percent: EXACT,
        run: pump::window,
    },
    Case {
        name: "film",
        about: "8 MiB through the gate, in four windows",
        tolerance_percent: EXACT,
        run: gate::film,
    },
];

/// The case of this name.
pub(crate) fn named(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.name == name)
}
