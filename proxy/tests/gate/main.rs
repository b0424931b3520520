//! Stories of the whole gate: real sockets, real signatures, viewers and nodes in this process.
//!
//! Viewers are told apart by `X-Forwarded-For`, which the gates here believe of loopback; places come from
//! operator rules over the documentation networks.

mod bad_input;
mod choice;
mod events;
mod foreign;
#[path = "../common/gates.rs"]
mod gates;
#[path = "../common/got.rs"]
mod got;
mod health;
mod links;
mod minio;
#[path = "../common/minio.rs"]
mod minio_cluster;
mod refusals;
mod reload;
mod replicate;
mod support;
mod two_gates;
mod viewers;
