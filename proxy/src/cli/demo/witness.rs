//! Tells of the nodes' changes as they happen, and where a node's viewers go.

use std::collections::HashMap;

use super::cities::{self, City};
use super::stage::{LOOK_EVERY, Stage};
use super::{FILM, named};
use crate::cli::terminal::{Look, Terminal};
use crate::cli::{Done, Failure};
use crate::decide::client::Scheme;
use crate::decide::watch::{Film, Method};
use crate::gate::Ask;

/// Watches until nobody reads any more; ended from outside.
pub(super) async fn watch(stage: &Stage, terminal: Terminal) -> Result<Done, Failure> {
    let states = || stage.gate.nodes().into_iter().map(|node| (node.id.clone(), node));
    let mut known: HashMap<String, String> = states().map(|(id, node)| (id, node.state)).collect();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        for (id, node) in states() {
            if known.get(&id) == Some(&node.state) {
                continue;
            }
            let reason = node.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            let (look, tail) = match node.state.as_str() {
                "up" => (Look::Good, "; its viewers come back".to_owned()),
                _ => (Look::Bad, viewers_go(stage, &id)),
            };
            let line = format!("{} is {}{reason}{tail}", named(&id), node.state);
            terminal.data(&terminal.out.paint(look, &line))?;
            known.insert(id, node.state);
        }
    }
}

/// The question that a city's viewer asks.
pub(super) fn ask(film: &str, city: &City) -> Ask {
    Ask {
        film: film.parse().unwrap_or(Film::from_bytes([0; 16])),
        path: String::new(),
        address: city.viewer.parse().unwrap_or(std::net::IpAddr::from([127, 0, 0, 1])),
        method: Method::Get,
        scheme: Scheme::Http,
        mode: None,
    }
}

fn viewers_go(stage: &Stage, node: &str) -> String {
    let Some(city) = cities::ALL.iter().find(|city| city.id == node) else { return String::new() };
    match stage.gate.explain(&ask(FILM, city)).chosen {
        Some(other) if other != node => format!("; its viewers go to {}", named(&other)),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_questions_are_about_the_film_and_the_viewer() {
        for film in [FILM, crate::cli::demo::NEW_FILM] {
            for city in &cities::ALL {
                let ask = ask(film, city);
                assert_eq!((&*ask.film.to_string(), &*ask.address.to_string()), (film, city.viewer));
            }
        }
    }
}
