//! Proves every server of every route: its name, a connection, and its health path if it has one.
//!
//! Asked is what the gate itself would ask, once, of each address until one is good. Nothing else is sent.

use serde::Serialize;
use watchgate_config::Route;

use crate::cli::terminal::{Look, Paint};
use crate::cli::{Failure, block_on};
use crate::front::prove_server;

/// What was found out about one server.
#[derive(Debug, Serialize)]
pub(super) struct Proof {
    route: String,
    upstream: String,
    /// What is wrong with it; `null`: nothing.
    why: Option<String>,
}

impl Proof {
    pub(super) fn is_good(&self) -> bool {
        self.why.is_none()
    }
}

/// Asks all servers, one after the other; in the order of the configuration.
pub(super) fn prove(routes: &[Route]) -> Result<Vec<Proof>, Failure> {
    block_on(async {
        let mut proofs = Vec::new();
        for route in routes {
            for server in 0..route.to.len() {
                let why = prove_server(route, server).await.err();
                let (route, upstream) = (route.prefix.to_string(), route.to[server].to_string());
                proofs.push(Proof { route, upstream, why });
            }
        }
        proofs
    })
}

/// A line of the report for each route.
pub(super) fn lines(routes: &[Route]) -> impl Iterator<Item = String> {
    routes.iter().map(|route| {
        let to: Vec<String> = route.to.iter().map(ToString::to_string).collect();
        format!("{} goes to {}", &*route.prefix, to.join(", "))
    })
}

/// What came of the questions; none: there were none.
pub(super) fn render(proofs: &[Proof], paint: Paint) -> Option<String> {
    let line = |proof: &Proof| {
        let Proof { route, upstream, why } = proof;
        match why {
            None => format!("{route} {upstream}: {}", paint.paint(Look::Good, "good")),
            Some(why) => format!("{route} {upstream}: {} {why}", paint.paint(Look::Bad, "bad:")),
        }
    };
    let lines: Vec<String> = proofs.iter().map(line).collect();
    (!lines.is_empty()).then(|| format!("\n{}", lines.join("\n")))
}
