//! What the demo prints when it is ready: what runs, what to open, what to type.

use super::cities::{self, City};
use super::stage::Stage;
use super::{FILM, NEW_FILM, named, witness};
use crate::cli::table::{Cell, Side, Table};
use crate::cli::terminal::{Look, Paint};
use crate::config::Mode;

pub(super) fn text(stage: &Stage, paint: Paint) -> String {
    let url = stage.url(FILM);
    let (strong, faint) =
        (|text: &str| paint.paint(Look::Strong, text), |text: &str| paint.paint(Look::Faint, text));
    let far = &cities::ALL[2];
    let control = stage.actors[2].control();
    let heir = stage.gate.explain(&witness::ask(FILM, far)).alternates.into_iter().next().unwrap_or_default();
    let config = stage.config_path.display();
    let mut lines = vec![
        strong("watchgate demo: one gate, three storage nodes, two films"),
        String::new(),
        nodes(stage).render(paint),
        strong("Watch the film in a browser"),
        format!("  {url}\n"),
        strong("Ask as a viewer somewhere else: each is served by the node of the city"),
    ];
    lines.extend(cities::ALL.iter().map(|city| {
        let (method, gets) = sight(stage.mode);
        let note = faint(&format!("# {}: {gets} {}", city.name, city.id));
        format!("  curl {method} -H 'X-Forwarded-For: {}' {url}  {note}", city.viewer)
    }));
    lines.extend([
        format!("\n{}", strong("Ask for a film that replication has not brought to the other nodes yet")),
        new_film(stage, far, paint),
        format!("\n{}", strong("See why")),
        format!("  {} -c {config} explain {FILM} --ip {}\n", program(), far.viewer),
        strong(&format!("Kill {} and bring it back", named(far.id))),
        format!(
            "  curl -X POST http://{control}/kill    {}",
            faint(&format!("# its viewers go to {heir} within two seconds"))
        ),
        format!("  curl -X POST http://{control}/revive  {}\n", faint("# and come back")),
        strong("For operators"),
        format!("  http://{}/  metrics, health, the fleet as JSON", stage.admin),
        format!("  {config}\n"),
        faint("Ctrl-C ends everything. What happens to the nodes is told below."),
    ]);
    lines.join("\n")
}

/// Whoever asks gets it from the source.
fn new_film(stage: &Stage, city: &City, paint: Paint) -> String {
    let (method, gets) = sight(stage.mode);
    let note = paint
        .paint(Look::Faint, &format!("# {gets} {}, the only node that holds it", stage.source().city.id));
    format!("  curl {method} -H 'X-Forwarded-For: {}' {}  {note}", city.viewer, stage.url(NEW_FILM))
}

/// How curl asks so that there is something to see, and what its first line shows.
fn sight(mode: Mode) -> (&'static str, &'static str) {
    match mode {
        Mode::Redirect => ("-si", "302 to"),
        // A film is no good sight on a terminal.
        Mode::Stream => ("-sI", "200, from"),
    }
}

fn nodes(stage: &Stage) -> Table {
    let mut table = Table::new([
        ("node", Side::Left),
        ("city", Side::Left),
        ("viewers from", Side::Left),
        ("S3 at", Side::Left),
    ]);
    for actor in &stage.actors {
        table.row([
            Cell::new(Look::Strong, actor.city.id),
            actor.city.name.into(),
            actor.city.networks.join(", ").into(),
            actor.node.endpoint().into(),
        ]);
    }
    table
}

/// This program as it was called, so that the lines can be pasted.
fn program() -> String {
    std::env::args().next().filter(|name| !name.is_empty()).unwrap_or_else(|| "watchgate".to_owned())
}
