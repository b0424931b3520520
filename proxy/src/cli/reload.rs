//! `watchgate reload`: the running gate reads its configuration again, and says what came of it.
//!
//! What is wrong with the configuration is found here first, as by every command; nothing is asked of the gate then.

use super::admin_client::AdminClient;
use super::args::Form;
use super::config_file::Setup;
use super::terminal::Terminal;
use super::{Done, Failure, json};
use crate::gate::reload::{Reloaded, Unwell};

pub(crate) fn reload(setup: &Setup, form: Form, terminal: Terminal) -> Result<Done, Failure> {
    let reloaded: Reloaded = AdminClient::new(&setup.config().listen).post("/api/v1/reload")?;
    let text = if form.json { json(&reloaded)? } else { words(&reloaded) };
    terminal.done(&text, Done::Yes)
}

fn words(reloaded: &Reloaded) -> String {
    let some = |what: &str, ids: &[String]| (!ids.is_empty()).then(|| format!("{what} {}", ids.join(", ")));
    let nodes = [
        some("added", &reloaded.added),
        some("removed", &reloaded.removed),
        some("changed", &reloaded.changed),
    ];
    let nodes: Vec<String> = nodes.into_iter().flatten().collect();
    let nodes = if nodes.is_empty() { "its nodes are as before".to_owned() } else { nodes.join("; ") };
    let mut lines = vec![format!("The gate has taken its configuration: {nodes}.")];
    for Unwell { node, cause } in &reloaded.unwell {
        lines.push(format!("{node} does not answer well, and viewers go elsewhere: {cause}"));
    }
    for key in &reloaded.restart {
        lines.push(format!("{key} takes a restart; its old value holds until then."));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_it_is_said_in_a_few_lines() {
        let check = |reloaded: &Reloaded, expected: &str| assert_eq!(words(reloaded), expected);
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        check(&Reloaded::default(), "The gate has taken its configuration: its nodes are as before.");
        let unwell = Unwell { node: "lon".to_owned(), cause: "signed probe: timeout".to_owned() };
        check(
            &Reloaded {
                added: ids(&["lon", "par"]),
                removed: ids(&["ams"]),
                changed: Vec::new(),
                unwell: vec![unwell],
                restart: ids(&["log"]),
            },
            "The gate has taken its configuration: added lon, par; removed ams.\n\
             lon does not answer well, and viewers go elsewhere: signed probe: timeout\n\
             log takes a restart; its old value holds until then.",
        );
    }
}
