//! Stands for a catalog in a database where the program was built without one: there is never any.

use prometheus::Registry;
use tokio::sync::watch;

use super::row::Shape;
use super::{CatalogError, NoAnswer};
use crate::clock::Clock;
use crate::decide::watch::Film;

/// No value of it exists.
#[derive(Debug)]
pub(super) enum Opened {}

/// As with a database.
#[expect(dead_code, reason = "nobody makes one")]
pub(super) enum Word<R> {
    Row(R),
    Unknown,
    Ask,
}

pub(super) fn open(
    _: &watchgate_config::Postgres,
    _: Shape,
    _: Clock,
    _: &Registry,
) -> Result<Opened, CatalogError> {
    Err(CatalogError::NoPostgres)
}

impl Opened {
    pub(super) fn look<R>(&self, _: &Film, _: impl FnOnce(&str) -> R) -> Word<R> {
        match *self {}
    }

    #[expect(clippy::unused_async, reason = "as with a database")]
    pub(super) async fn ask(&self, _: &Film) -> Result<(), NoAnswer> {
        match *self {}
    }

    #[expect(clippy::unused_async, reason = "as with a database")]
    pub(super) async fn run(&self, _: watch::Receiver<bool>) {
        match *self {}
    }
}
