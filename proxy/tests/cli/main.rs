//! The built program, called as a person or a script calls it: what it prints where, and its exit code.
#![cfg(feature = "front-door")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must end")]

mod admin;
mod config;
#[cfg(feature = "demo")]
mod demo;
mod explain;
mod nodes_online;
mod support;
mod usage;
