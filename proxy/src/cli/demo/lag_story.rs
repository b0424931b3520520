//! A chapter of `--once`: a film that is on the source and nowhere else yet.
//!
//! Replication has stopped before the film was put (`stage`). A viewer near another node is sent to the source, until
//! the film has come there.

use super::cities::{self, City};
use super::story::{Ended, Story};
use super::{NEW_FILM, named, witness};
use crate::cli::explain::{answer, dropped};

/// Whose node lacks the film.
const VISITOR: &City = &cities::ALL[1];

pub(super) async fn play(story: &Story<'_>) -> Result<(), Ended> {
    let stage = story.stage;
    let source = stage.source().city.id;
    story.say(&format!("\nA film that is not replicated yet: {} alone holds it.", named(source)))?;
    story.visit(NEW_FILM, VISITOR, source).await?;

    let ask = witness::ask(NEW_FILM, VISITOR);
    // The nodes that the viewer's request did not have to wait for may still be on the way to their answers.
    stage.gate.look_for(&ask).await;
    let decision = stage.gate.explain(&ask);
    if decision.reason != "only_holder" {
        return Err(format!("{source} is chosen as {}, not as only_holder", decision.reason).into());
    }
    let home =
        decision.nodes.iter().find(|node| node.id == VISITOR.id).and_then(|node| node.dropped.as_deref());
    let home = home.ok_or_else(|| format!("{} is not said to lack the film", named(VISITOR.id)))?;
    story.say(&format!("\nWhy, for {}:", VISITOR.viewer))?;
    story.say(&format!("  {}\n  {}: {}.\n", answer(&decision), named(VISITOR.id), dropped(home, "film")))?;

    stage.replicate();
    let took = story.wait_for(NEW_FILM, VISITOR, VISITOR.id).await?;
    story.good(&format!(
        "replication goes on; after {} ms viewers of the film near {} are sent there",
        took.as_millis(),
        named(VISITOR.id)
    ))?;
    story.visit(NEW_FILM, VISITOR, VISITOR.id).await
}
