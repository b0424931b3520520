//! The node as its clients see it: raw sockets, signatures made by `aws-sigv4`.
//!
//! No test sleeps to wait for a state; waits are bounded. Small real delays occur
//! where the delay is what is tested.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod client;
mod control;
mod faults;
mod manners;
mod objects;
mod replication;
mod signing;

use std::time::Duration;

use watchgate_node::Node;

pub(crate) const ACCESS: &str = "AKIATEST";
pub(crate) const SECRET: &str = "topsecret";
/// No wait of these tests is longer; on a busy machine nothing here takes seconds.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A node with one bucket, `movies`, and one key pair.
pub(crate) async fn node(name: &str) -> Node {
    Node::builder(name).credential(ACCESS, SECRET).bucket("movies").start().await.unwrap()
}
