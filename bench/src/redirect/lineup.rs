//! A line-up: all servers are up, and each gets its load in its turn, round after round.
//!
//! Who begins changes from turn to turn, so that nobody always comes after the same neighbour. Absent on purpose: what
//! the rounds mean.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::load::{self, Round, Shape};
use super::requests::Requests;
use crate::figures::Spread;
use crate::process::{LOOK, Server};
use crate::{Failure, say};

/// Connections over which everything is asked for once.
const WARM_UP_CONNECTIONS: usize = 64;

/// Whether a server writes an access line for each answer to its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    /// They are waited for after each round, since they are a part of what an answer costs.
    Written,
    /// There are none.
    None,
}

/// A server under one load. With a fault it is out of all turns that follow.
#[derive(Debug)]
pub(crate) struct Runner {
    pub(crate) name: String,
    pub(crate) server: Rc<Server>,
    pub(crate) requests: Rc<Requests>,
    pub(crate) shape: Shape,
    pub(crate) lines: Lines,
    pub(crate) rounds: Vec<Round>,
    pub(crate) fault: Option<String>,
}

impl Runner {
    pub(crate) fn new(
        name: impl Into<String>,
        server: &Rc<Server>,
        requests: &Rc<Requests>,
        shape: Shape,
        lines: Lines,
    ) -> Self {
        let (server, requests) = (Rc::clone(server), Rc::clone(requests));
        Self { name: name.into(), server, requests, shape, lines, rounds: Vec::new(), fault: None }
    }

    async fn round(&self) -> Result<Round, Failure> {
        self.server.forget_log()?;
        let round = load::round(&self.server, &self.requests, self.shape).await?;
        if self.lines == Lines::Written {
            written(&self.server, round.answers_in_all).await?;
        }
        Ok(round)
    }

    /// One more round, which does not count, for a look at the server meanwhile.
    pub(crate) async fn once_more(&self, measured: Duration) -> Result<Round, Failure> {
        let shape = Shape { measured, idle: Duration::ZERO, ..self.shape };
        self.server.forget_log()?;
        load::round(&self.server, &self.requests, shape).await
    }
}

/// Every request once, and a round that does not count: caches fill, and a gate that asks who holds a film has asked for
/// all of them, however long that takes.
///
/// # Errors
/// The first runner, the yardstick, failed.
pub(crate) async fn warm_up(runners: &mut [Runner]) -> Result<(), Failure> {
    for (index, runner) in runners.iter_mut().enumerate() {
        say(&format!("warming up: {}", runner.name));
        let Runner { server, requests, shape, .. } = &*runner;
        let (connections, count) = (shape.connections.min(WARM_UP_CONNECTIONS), requests.count() as u64);
        let mut found = load::exactly(server, requests, connections, count).await;
        if found.is_ok() {
            found = runner.once_more(shape.measured).await.map(drop);
        }
        keep(runner, index, found)?;
    }
    Ok(())
}

/// So many rounds of each.
///
/// # Errors
/// The first runner, the yardstick, failed. The fault of another stands in it.
pub(crate) async fn turns(runners: &mut [Runner], rounds: u64) -> Result<(), Failure> {
    for turn in 1..=rounds {
        for index in 0..runners.len() {
            let first = usize::try_from(turn - 1).unwrap_or_default();
            let index = (first + index) % runners.len();
            let runner = &mut runners[index];
            if runner.fault.is_some() {
                continue;
            }
            let found = runner.round().await.map(|round| {
                say(&format!("round {turn}: {:6.2} µs, {}", round.cpu_us(), runner.name));
                runner.rounds.push(round);
            });
            keep(runner, index, found)?;
        }
    }
    Ok(())
}

fn keep(runner: &mut Runner, index: usize, found: Result<(), Failure>) -> Result<(), Failure> {
    let Err(failure) = found else { return Ok(()) };
    if index == 0 {
        return Err(failure);
    }
    say(&format!("FAILED: {}", runner.name));
    runner.fault.get_or_insert(failure.to_string());
    Ok(())
}

/// A figure of one runner as a multiple of the same figure of another in the same turns.
pub(crate) fn ratio(of: &[Round], to: &[Round], figure: impl Fn(&Round) -> f64) -> Spread {
    Spread::of(of.iter().zip(to).map(|(round, other)| figure(round) / figure(other)))
}

/// Waits until a line is written for every answer.
///
/// # Errors
/// Some are still missing after seconds: then the time they would have cost is missing in the figures.
async fn written(server: &Server, answers: u64) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let lines = server.log_lines()?;
        if lines >= answers {
            return Ok(());
        }
        if begun.elapsed() > Duration::from_secs(5) {
            return Err(server.misbehaved(&format!("wrote {lines} access lines for {answers} answers")));
        }
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Place;
    use crate::redirect::requests::drawn;
    use crate::stub;

    /// A server that answers everything so.
    async fn runner(place: &Place, answer: &'static str) -> Runner {
        let address = stub::start(move |_, to| to.extend_from_slice(answer.as_bytes())).unwrap();
        let requests = Rc::new(Requests::of(&drawn(&["192.0.2.1".parse().unwrap()], 10, 10)));
        let measured = Duration::from_millis(20);
        let shape = Shape { connections: 2, warm_up: Duration::ZERO, measured, idle: Duration::ZERO };
        Runner::new(answer, &Rc::new(Server::played(place, address).await), &requests, shape, Lines::None)
    }

    #[tokio::test]
    async fn a_server_that_answers_wrongly_is_a_fault_and_never_a_figure() {
        let right =
            "HTTP/1.1 302 Found\r\nLocation: https://n/f?X-Amz-Signature=0\r\nContent-Length: 0\r\n\r\n";
        let unsigned = "HTTP/1.1 302 Found\r\nLocation: https://n/f\r\nContent-Length: 0\r\n\r\n";
        let wrong = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let place = Place::empty();
        let mut runners =
            [runner(&place, right).await, runner(&place, wrong).await, runner(&place, unsigned).await];
        turns(&mut runners, 3).await.unwrap();
        let rounds = runners.each_ref().map(|runner| runner.rounds.len());
        assert_eq!(rounds, [3, 0, 0]);
        let fault = |index: usize| runners[index].fault.clone().unwrap();
        assert!(fault(1).contains("answered otherwise") && fault(2).contains("redirected nowhere"));
        assert_eq!(runners[0].fault, None);
        runners.swap(0, 1);
        runners[0].fault = None;
        assert!(turns(&mut runners, 1).await.is_err(), "nothing can be compared with a yardstick that fails");
    }
}
