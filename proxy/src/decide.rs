//! The pure decisions of the gate: what is asked, by whom, and which node answers.
//!
//! Nothing below reads a clock, a socket, a lock or a random source, and nothing knows Pingora or
//! Tokio: time, health and places come in as arguments, so every decision can be replayed.

pub mod accept;
pub mod client;
pub mod conditional;
pub mod decision;
pub mod event;
pub mod health;
pub mod media;
pub mod member;
pub mod pace;
pub mod patience;
pub mod plan;
pub mod presence;
pub mod range;
pub mod rank;
pub mod resume;
pub mod route;
pub mod watch;
