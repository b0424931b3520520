//! Plans a fleet past one machine, and replays recorded days: watchgate's own decisions over simulated time.
//!
//! [`plan`] runs an evening of viewers through the very functions that serve them (`decide`, `state`, the probes'
//! schedule); [`replay`] asks the same functions again what a log says was asked. Absent on purpose: any choice,
//! verdict or load figure of its own, and sockets.

pub mod cost;
pub mod demand;
pub mod event;
pub mod fault;
pub mod films;
pub mod fleet;
pub mod mix;
pub mod parallel;
pub mod plan;
pub mod random;
pub mod replay;
pub mod sheet;
pub mod sim;
pub mod text;
pub mod world;
pub mod worst;
