//! Stories of routes: real sockets, small servers behind the gate, viewers that write their requests by hand.
//!
//! Films are there too, on a node of the story's own, because what must not happen to them is half of the story.

mod bodies;
mod failures;
#[path = "../common/gates.rs"]
#[allow(dead_code, reason = "shared with programs whose stories need more of it")]
mod gates;
mod headers;
mod mixed;
mod paths;
mod server;
mod support;
mod turns;
mod viewer;
mod websocket;
