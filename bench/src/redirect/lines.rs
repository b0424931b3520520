//! The access lines of the gate, counted: each is part of what a redirect costs.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::load::Round;
use crate::Failure;
use crate::process::{LOOK, Server};

/// Waits until a line is written for every answer.
///
/// # Errors
/// Some are still missing after seconds: then the time they would have cost is missing in the figures.
pub(super) async fn written(gate: &Server, round: &Round) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let lines = gate.log_lines()?;
        if lines >= round.answers_in_all {
            return Ok(());
        }
        if begun.elapsed() > Duration::from_secs(5) {
            let answers = round.answers_in_all;
            return Err(gate.misbehaved(&format!("wrote {lines} access lines for {answers} answers")));
        }
        sleep(LOOK).await;
    }
}
