//! Stories of who holds a film: viewers are sent to nodes that hold it, or not at all.

#[path = "../common/gates.rs"]
mod gates;
#[path = "../common/got.rs"]
mod got;
#[path = "../common/minio.rs"]
mod minio_cluster;

mod deletions;
mod flood;
mod lag;
mod memory;
mod minio;
mod refusals;
mod support;
mod versions;
