//! Stories of the catalog with a real PostgreSQL, which each story starts for itself.
//!
//! Without PostgreSQL they are skipped, and say so; with `WATCHGATE_REQUIRE_POSTGRES=1` that is a failure. What needs
//! no database stands beside the code.

mod faults;
mod gate;
#[path = "../common/gates.rs"]
#[expect(dead_code, reason = "other stories use the rest")]
mod gates;
mod outage;
mod rows;
mod server;
mod support;
mod tls;
