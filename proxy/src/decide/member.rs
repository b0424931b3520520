//! A node under a number that stays its own.
//!
//! The fleet is a list, and a reload of the configuration gives a node another place in it, or takes it away. What is
//! remembered longer than a request is remembered by member. Absent on purpose: who gives the numbers (`fleet`).

/// One store of the fleet, for as long as the gate runs. A number that was given is never given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member(pub u32);
