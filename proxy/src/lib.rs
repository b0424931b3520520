//! watchgate sends each viewer of a film to the nearest healthy node that holds it.
//!
//! [`Gate`] is the whole plugin: build one from a [`config::Config`], run its background task, and call
//! [`Gate::handle`] from the `request_filter` of any Pingora proxy. With the feature `front-door`
//! the crate brings a ready proxy around it. Pingora's types appear in `gate`, `answer` and `front` only.

pub mod access_log;
pub mod admin;
pub mod answer;
pub mod catalog;
pub mod clock;
pub mod decide;
pub mod fleet;
#[cfg(feature = "front-door")]
pub mod front;
pub mod gate;
pub mod kept;
pub mod presence;
pub mod probe;
pub mod refusal;
mod settled;
pub mod sign;
pub mod state;

#[cfg(feature = "front-door")]
pub mod cli;

pub use gate::{Gate, Outcome};
pub use watchgate_config as config;
pub use watchgate_geoip as geoip;
