//! What happens between two starts: probes by the gate's schedule, verdicts, events, and viewers who ask again.

use std::cmp::Reverse;

use watchgate::decide::health::{Reason, State as Verdict, Trouble};
use watchgate::fleet::decay_after;

use super::{AHEAD_MS, Run};
use crate::event::{Event, What};

/// How long a node that is well takes to answer a round of probes.
const ROUND_MS: u64 = 20;
/// Failures told of one node: as many as eject it, with one to spare.
const REPORTS: u64 = 6;

enum Next {
    Event,
    RoundEnds,
    RoundStarts,
    Report,
    Ask,
}

impl Run<'_> {
    /// Lets everything happen that is due up to this moment, in the order of time.
    pub(super) fn advance(&mut self, to_ms: u64) {
        while let Some((at_ms, next)) = self.next().filter(|(at_ms, _)| *at_ms <= to_ms) {
            self.state.now_ms = self.state.now_ms.max(at_ms);
            match next {
                Next::Event => {
                    let event = self.events[self.state.next_event].clone();
                    self.state.next_event += 1;
                    self.befall(&event);
                }
                Next::RoundStarts => self.start_rounds(),
                Next::RoundEnds => self.end_round(),
                Next::Report => self.report(),
                Next::Ask => {
                    if let Some((slot, lost)) = self.state.crowd.pop_ask() {
                        self.seat(slot, lost);
                    }
                }
            }
        }
        self.state.now_ms = to_ms.max(self.state.now_ms);
    }

    /// What is due first; at one moment, in the order of this list.
    fn next(&self) -> Option<(u64, Next)> {
        let state = &self.state;
        // Just after its moment: whoever looks at that moment sees what was before.
        let event = self.events.get(state.next_event).map(|event| event.at.0 + 2 + AHEAD_MS);
        let all = [
            (event, Next::Event),
            (state.rounds.peek().map(|round| round.0.0), Next::RoundEnds),
            (state.schedule.wait_ms(state.now_ms).map(|wait_ms| state.now_ms + wait_ms), Next::RoundStarts),
            (state.reports.peek().map(|report| report.0.0), Next::Report),
            (state.crowd.next_ask_ms(), Next::Ask),
        ];
        let due = all.into_iter().filter_map(|(at_ms, next)| Some((at_ms?, next)));
        due.reduce(|first, other| if other.0 < first.0 { other } else { first })
    }

    fn start_rounds(&mut self) {
        let now_ms = self.state.now_ms;
        while let Some(node) = self.state.schedule.start(now_ms) {
            let is_there = self.state.nodes[node].is_there;
            let lasts_ms = match (is_there, self.scene.terms.is_silent) {
                (true, _) => ROUND_MS,
                (false, true) => self.rules.timeout_ms,
                (false, false) => 1,
            };
            self.state.rounds.push(Reverse((now_ms + lasts_ms.min(self.rules.timeout_ms), node, is_there)));
        }
    }

    fn end_round(&mut self) {
        let Some(Reverse((_, node, was_there))) = self.state.rounds.pop() else { return };
        let now_ms = self.state.now_ms;
        let round = if was_there && self.state.nodes[node].is_there {
            self.hear(node);
            Ok(())
        } else {
            Err(if self.scene.terms.is_silent { Reason::Timeout } else { Reason::Refused })
        };
        let transition = self.state.schedule.finished(node, now_ms, round, |_| false);
        if let Some(transition) = transition {
            self.turn(node, transition.to);
        }
    }

    /// The node's word on its load, or that it has none: as the probe task takes it in.
    fn hear(&mut self, node: usize) {
        let (server, live) = (&mut self.state.nodes[node], &self.snapshot.fleet.nodes[node].live);
        if server.tells {
            server.word = u32::try_from(server.viewers).unwrap_or(u32::MAX - 1);
            live.set_in_flight(Some(server.word), 1.0);
        } else if let Some(decay) = decay_after(self.state.now_ms - server.decayed_ms) {
            server.decayed_ms = self.state.now_ms;
            live.set_in_flight(None, decay);
        }
        self.learn(node);
    }

    fn turn(&mut self, node: usize, to: Verdict) {
        let now_ms = self.state.now_ms;
        let returned_ms = self.state.schedule.machine(node).returned_ms();
        self.snapshot.fleet.nodes[node].live.set_state(to, returned_ms);
        self.learn(node);
        if returned_ms.is_some() && !self.returning.contains(&node) {
            self.returning.push(node);
        }
        let what = if to == Verdict::Down { What::Kill } else { What::Return };
        let of_node = |blow: &&mut super::Blow| blow.what == what && blow.nodes.contains(&node);
        if let Some(blow) = self.state.blows.iter_mut().rev().find(of_node) {
            blow.seen(node, now_ms);
        }
        if to == Verdict::Down && self.is_stream() {
            self.state.crowd.hurry(node, now_ms);
        }
    }

    /// Streams fail at a node that died, and say so: at once, or when their time runs out.
    pub(super) fn tell_failures(&mut self, event: &Event, now_ms: u64, unit: u64) {
        let first_byte_ms = watchgate::clock::millis(self.scene.config.stream.first_byte_timeout);
        let after_ms = if self.scene.terms.is_silent { first_byte_ms } else { 1 };
        let event_ms = self.rules.ejection.event_ms;
        for &node in &event.nodes {
            let had = self.state.blows.last().is_some_and(|blow| blow.before[node] >= unit);
            let times = (0..REPORTS).filter(|_| had).map(|n| now_ms + after_ms + n * event_ms);
            self.state.reports.extend(times.map(|at_ms| Reverse((at_ms, node))));
        }
    }

    fn report(&mut self) {
        let Some(Reverse((_, node))) = self.state.reports.pop() else { return };
        if self.state.nodes[node].is_there {
            return;
        }
        let trouble = if self.scene.terms.is_silent { Trouble::Timeout } else { Trouble::Refused };
        let judged = self.state.schedule.failed(node, self.state.now_ms, trouble, |_| false);
        if let watchgate::probe::schedule::Judged::Ejected(transition) = judged {
            self.turn(node, transition.to);
        }
    }
}
