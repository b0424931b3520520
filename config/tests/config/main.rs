//! The configuration from outside: files, environments and secret files in; values, faults, prints and schema out.

#![allow(unreachable_pub, reason = "the modules of a test binary see nothing else")]
#![allow(clippy::unwrap_used, reason = "all of this is a test, helpers too")]

mod arbitrary;
mod bad;
mod env;
mod good;
mod print;
mod routes;
mod schema;
mod secrets;
mod support;
