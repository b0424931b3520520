//! An in-memory S3 node with fault switches, for watchgate's demo and hermetic tests.
//!
//! It answers as `MinIO` or another store does to a film front door, verifies every signature by a
//! verifier of its own, and misbehaves on command, down to the TCP connection.
//! Deliberately absent: lists, multipart uploads, TLS, disks. Never part of a gate.

mod answer;
mod auth;
mod body;
mod content;
mod control;
mod faults;
mod inner;
mod log;
mod manners;
mod node;
mod objects;
mod refusal;
mod replicate;
mod select;
mod server;
mod store;
mod target;
mod wire;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use auth::{Credential, Policy};
pub use content::{Content, first_wrong_byte, generate, generated_byte};
pub use faults::{Cut, Fault, Faults, Rule, Scope};
pub use inner::{Health, Stored};
pub use log::{Counts, Seen};
pub use manners::Manners;
pub use node::{Builder, Node, NodeError, Put};
pub use replicate::Lag;
pub use store::Versioning;

/// A test that panicked elsewhere with the lock has its own report; here the state is still whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
