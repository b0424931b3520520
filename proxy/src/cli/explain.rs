//! `watchgate explain`: where a viewer is sent, and why, for somebody who has just been woken.
//!
//! The decision comes from the running gate, or from a gate that is built here and asks nobody. Nothing is decided in
//! this module; it puts a [`Decision`] into words.

mod words;

pub(crate) use self::words::coordinates;
#[cfg(feature = "demo")]
pub(crate) use self::words::{answer, dropped};

use watchgate_config::{Catalog, Config, Mode};
use watchgate_geoip::Databases;

use super::admin_client::AdminClient;
use super::args::{ExplainArgs, FilmOrFile};
use super::config_file::Setup;
use super::table::{Cell, Side, Table};
use super::terminal::{Look, Paint, Terminal};
use super::{Done, Failure, json, time};
use crate::decide::client::Scheme;
use crate::decide::decision::{Decision, NodeView};
use crate::gate::{Ask, Gate, GateError};
use crate::sign::encode_key;

pub(crate) fn explain(setup: &Setup, args: &ExplainArgs, terminal: Terminal) -> Result<Done, Failure> {
    check(setup.config(), args)?;
    let decision = if args.offline {
        offline(setup.config().clone(), setup.databases()?)?.explain(&Ask {
            film: args.film.film,
            path: args.film.path.clone(),
            address: args.ip,
            method: args.method.into(),
            scheme: Scheme::Http,
            mode: args.mode.map(Into::into),
        })
    } else {
        AdminClient::new(&setup.config().listen).read(&question(args))?
    };
    let done = if decision.outcome == "refused" { Done::No } else { Done::Yes };
    if args.form.json {
        return terminal.done(&json(&decision)?, done);
    }
    let by = if args.offline { By::Configuration } else { By::Gate };
    terminal.done(&render(&decision, by, terminal.out), done)
}

/// What the configuration says of the arguments before anybody is asked.
fn check(config: &Config, args: &ExplainArgs) -> Result<(), Failure> {
    let wrong = match (config.watch.object.has_path(), args.film.path.is_empty()) {
        (true, true) => format!(
            "films are trees of files here (watch.object has {{path}}): name the file, as in {}/master.m3u8",
            args.film.film
        ),
        (false, false) => {
            "a film is one object here (watch.object has no {path}): give the uuid alone".to_owned()
        }
        _ if args.offline && matches!(config.catalog, Catalog::Postgres(_)) => {
            "--offline asks nobody, and only the database of catalog.postgres knows the film's key: ask the running \
             gate, without --offline"
                .to_owned()
        }
        _ => return Ok(()),
    };
    Err(Failure::Usage(wrong))
}

/// The question to the running gate. A uuid, an address, a method and a mode hold nothing that a query would have to
/// encode, but for a scope (`%eth0`), which addresses do not take.
fn question(args: &ExplainArgs) -> String {
    let FilmOrFile { film, path } = &args.film;
    let (ip, method) = (args.ip, args.method.as_str());
    let path = if path.is_empty() { String::new() } else { format!("&path={}", encode_key(path)) };
    let mode = args.mode.map_or_else(String::new, |mode| format!("&mode={}", Mode::from(mode).as_str()));
    format!("/api/v1/explain?film={film}&ip={ip}&method={method}{path}{mode}")
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
            Self::Configuration => {
                ", from the configuration alone: every node counts as up and idle, and as holding \
                                    the film"
            }
        }
    }
}

/// A gate that asks nobody: what would be decided if every node were up and idle.
pub(crate) fn offline(config: Config, databases: Databases) -> Result<Gate, GateError> {
    Gate::new(config, databases, &prometheus::Registry::new()).map(Gate::assuming_all_up)
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
         viewers.\nFilm {}, {}, {}, mode {}; decided at {}{}.\n",
        decision.film,
        words::object(decision),
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
    let what = words::what(decision);
    let presence = shows_presence.then_some((what, Left));
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
            .chain([why(node, best, chosen, what)]),
        );
    }
    table
}

fn why(node: &NodeView, best: Option<&NodeView>, chosen: bool, what: &str) -> Cell {
    let dropped = node.dropped.as_deref().map(|word| words::dropped(word, what));
    match (chosen, dropped) {
        (true, None) => Cell::new(Look::Good, "chosen"),
        (true, Some(dropped)) => Cell::new(Look::Warn, format!("chosen although {dropped}")),
        (false, Some(dropped)) => Cell::new(Look::Warn, dropped.as_ref()),
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
