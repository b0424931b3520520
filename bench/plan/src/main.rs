//! `watchgate-plan`.
fn main() {}
