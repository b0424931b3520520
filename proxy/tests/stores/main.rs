//! The gate before stores that are not MinIO: a real SeaweedFS, and nodes with the manners of all the others.

#[path = "../common/gates.rs"]
mod gates;
mod profiles;
mod seaweedfs;
mod support;
mod weed;
