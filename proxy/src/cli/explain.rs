//! `watchgate explain`: where a viewer is sent, and why, for somebody who has just been woken.
//!
//! The decision comes from the running gate, or from a gate that is built here and asks nobody. Nothing is decided in
//! this module; it puts a [`Decision`] into words.

mod words;

#[cfg(feature = "demo")]
pub(crate) use self::words::answer;
pub(crate) use self::words::coordinates;

use watchgate_config::Config;
use watchgate_geoip::Databases;

use super::admin_client::AdminClient;
use super::args::ExplainArgs;
use super::config_file::Setup;
use super::table::{Cell, Side, Table};
use super::terminal::{Look, Paint, Terminal};
use super::{Done, Failure, json, time};
use crate::decide::client::Scheme;
use crate::decide::decision::{Decision, NodeView};
use crate::gate::{Ask, Gate};

pub(crate) fn explain(setup: &Setup, args: &ExplainArgs, terminal: Terminal) -> Result<Done, Failure> {
    let decision = if args.offline {
        offline(setup.config().clone(), setup.databases()?)?.explain(&Ask {
            film: args.film,
            address: args.ip,
            method: args.method.into(),
            scheme: Scheme::Http,
            mode: args.mode.map(Into::into),
        })
    } else {
        // A uuid, an address and a method hold nothing that a URL would have to encode, but for a scope (`%eth0`),
        // which addresses do not take.
        let (film, ip, method) = (args.film, args.ip, args.method.as_str());
        let mode = args.mode.map_or_else(String::new, |mode| {
            format!("&mode={}", watchgate_config::Mode::from(mode).as_str())
        });
        let path = format!("/api/v1/explain?film={film}&ip={ip}&method={method}{mode}");
        AdminClient::new(&setup.config().listen).read(&path)?
    };
    let done = if decision.outcome == "refused" { Done::No } else { Done::Yes };
    if args.form.json {
        return terminal.done(&json(&decision)?, done);
    }
    let by = if args.offline { By::Configuration } else { By::Gate };
    terminal.done(&render(&decision, by, terminal.out), done)
}

/// Who took a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// The running gate, by what it knows of its nodes.
    Gate,
    /// This command, by the configuration alone.
    Configuration,
}

impl By {
    fn note(self) -> &'static str {
        match self {
            Self::Gate => "",
            Self::Configuration => ", from the configuration alone: every node counts as up and idle",
        }
    }
}

/// A gate that asks nobody: what would be decided if every node were up and idle.
pub(crate) fn offline(config: Config, databases: Databases) -> Result<Gate, Failure> {
    Gate::new(config, databases, &prometheus::Registry::new())
        .map(Gate::assuming_all_up)
        .map_err(|error| Failure::Other(error.to_string()))
}

/// The answer first, then every node, then what the figures mean.
fn render(decision: &Decision, by: By, paint: Paint) -> String {
    let look = if decision.chosen.is_some() { Look::Strong } else { Look::Bad };
    let mut text = paint.paint(look, &words::answer(decision));
    text.push_str(&words::alternates(decision));
    text.push_str("\n\n");
    text.push_str(&table(decision, by).render(paint));
    let notes = format!(
        "\nscore = cost + spread in milliseconds; the lowest wins. cost: 1 ms per 100 km, base_ms, and what the load \
         adds.\nspread: by a hash of viewer network and film, so that nodes about equally near share their \
         viewers.\nFilm {}, object {:?}, {}, mode {}; decided at {}{}.\n",
        decision.film,
        decision.key,
        decision.method,
        decision.mode,
        decision.at,
        by.note()
    );
    text.push_str(&paint.paint(Look::Faint, &notes));
    text
}

fn table(decision: &Decision, by: By) -> Table {
    use Side::{Left, Right};
    let shows_presence = decision.nodes.iter().any(|node| node.presence.is_some());
    let presence = shows_presence.then_some(("film", Left));
    let mut table = Table::new(
        [("", Right), ("node", Left), ("state", Left), ("tier", Left), ("km", Right)]
            .into_iter()
            .chain([("cost", Right), ("spread", Right), ("score", Right), ("load", Right)])
            .chain(presence)
            .chain([("why", Left)]),
    );
    let best = decision.nodes.iter().find(|node| node.rank == Some(1));
    for node in &decision.nodes {
        let chosen = decision.chosen.as_ref() == Some(&node.id);
        let (look, state) = match by {
            By::Gate => {
                (state_look(&node.state), format!("{} {}", node.state, time::ago(&node.since, &decision.at)))
            }
            By::Configuration => (Look::Faint, "taken as up".to_owned()),
        };
        let presence = shows_presence.then(|| words::presence(node.presence.as_ref()).into());
        table.row(
            [
                Cell::from(node.rank.map(|rank| rank.to_string()).unwrap_or_default()),
                Cell::new(if chosen { Look::Strong } else { Look::Plain }, &*node.id),
                Cell::new(look, state),
                (&*node.tier).into(),
                node.distance_km.map_or("?".to_owned(), |km| format!("{km:.0}")).into(),
                format!("{:.1}", node.cost_ms).into(),
                format!("{:.1}", node.spread_ms).into(),
                format!("{:.1}", node.score_ms).into(),
                format!("{:.0} %", node.load * 100.0).into(),
            ]
            .into_iter()
            .chain(presence)
            .chain([why(node, best, chosen)]),
        );
    }
    table
}

fn why(node: &NodeView, best: Option<&NodeView>, chosen: bool) -> Cell {
    let dropped = node.dropped.as_deref().map(words::dropped);
    match (chosen, dropped) {
        (true, None) => Cell::new(Look::Good, "chosen"),
        (true, Some(dropped)) => Cell::new(Look::Warn, format!("chosen although {dropped}")),
        (false, Some(dropped)) => Cell::new(Look::Warn, dropped),
        (false, None) => {
            let behind = best.map(|best| node.score_ms - best.score_ms).filter(|_| node.rank.is_some());
            behind.map_or(Cell::default(), |behind| format!("{behind:.1} ms behind").into())
        }
    }
}

/// How a node's state looks.
pub(crate) fn state_look(state: &str) -> Look {
    match state {
        "up" => Look::Good,
        "down" => Look::Bad,
        _ => Look::Warn,
    }
}

#[cfg(test)]
mod tests;
