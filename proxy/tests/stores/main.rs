//! The gate before stores that are not MinIO: a real SeaweedFS, and nodes with the manners of all the others.

#[path = "../common/gates.rs"]
mod gates;
#[path = "../common/got.rs"]
mod got;
mod profiles;
mod seaweedfs;
mod support;
mod weed;
