//! Stories of films that stream through the gate: every fault, every pace, every rule of HTTP, over real sockets.
//!
//! Nodes are in this process and misbehave on command; viewers speak HTTP/1.1 to the ready front door and HTTP/2 to
//! a foreign Pingora proxy that hosts the same gate. Every fault story asserts that the fault hit, and judges the
//! viewer's bytes.

#[path = "../common/browser.rs"]
mod browser;
mod faults;
#[path = "../common/gates.rs"]
mod gates;
mod heads;
mod host;
mod minio;
#[path = "../common/minio.rs"]
mod minio_cluster;
mod nobody;
mod pace;
mod pipelined;
mod players;
mod relay;
mod reload;
mod requests;
mod resume;
mod semantics;
mod support;
mod tls;
mod verdicts;
mod viewer;
