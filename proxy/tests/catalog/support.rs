//! Catalogs before a database, and what they logged.

use std::io;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus::Registry;
use tracing::subscriber::DefaultGuard;
use watchgate::catalog::{Catalog, CatalogError, Look, NoAnswer};
use watchgate::clock::Clock;
use watchgate::config::{Catalog as Config, Postgres, Secret};
use watchgate::decide::watch::Film;

pub(crate) const A: &str = "00000000-0000-4000-8000-00000000000a";
pub(crate) const B: &str = "00000000-0000-4000-8000-00000000000b";
pub(crate) const C: &str = "00000000-0000-4000-8000-00000000000c";

/// A catalog and its metrics.
pub(crate) struct Asked {
    pub(crate) catalog: Catalog,
    registry: Registry,
}

/// What a story's catalog is configured with, unless it says otherwise.
pub(crate) fn config(url: &str, query: &str) -> Postgres {
    Postgres {
        url: Secret::new(url),
        query: query.to_owned(),
        ttl: Duration::from_mins(10),
        negative_ttl: Duration::from_millis(100),
        timeout: Duration::from_secs(20),
        connections: NonZeroU32::new(4).expect("not zero"),
    }
}

pub(crate) fn try_open(config: Postgres, registry: &Registry) -> Result<Catalog, CatalogError> {
    let object = "{uuid}.mp4".parse().expect("a template");
    Catalog::open(&Config::Postgres(config), &object, Clock::start(), registry)
}

impl Asked {
    pub(crate) fn open(config: Postgres) -> Self {
        let registry = Registry::new();
        Self { catalog: try_open(config, &registry).expect("a catalog"), registry }
    }

    pub(crate) fn look(&self, film: &str) -> Look {
        self.catalog.look(&parse(film), "")
    }

    pub(crate) async fn ask(&self, film: &str) -> Result<(), NoAnswer> {
        self.catalog.ask(&parse(film)).await
    }

    /// As the gate does.
    pub(crate) async fn find(&self, film: &str) -> Result<Look, NoAnswer> {
        match self.look(film) {
            Look::Ask => {
                self.ask(film).await?;
                Ok(self.look(film))
            }
            known => Ok(known),
        }
    }

    /// The series of a counter or gauge with this label; without one, the only series.
    pub(crate) fn metric(&self, name: &str, label: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).expect("the family");
        let has = |metric: &&prometheus::proto::Metric| {
            label.is_empty() || metric.get_label().iter().any(|pair| pair.value() == label)
        };
        let metric = family.get_metric().iter().find(has).expect("the series");
        metric.get_counter().get_value() + metric.get_gauge().get_value()
    }

    /// Questions that were asked, by what came of them.
    pub(crate) fn questions(&self, result: &str) -> f64 {
        self.metric("watchgate_catalog_questions_total", result)
    }

    pub(crate) fn lookups(&self, result: &str) -> f64 {
        self.metric("watchgate_catalog_lookups_total", result)
    }
}

pub(crate) fn parse(film: &str) -> Film {
    film.parse().expect("a uuid")
}

pub(crate) fn key(text: &str) -> Look {
    Look::Key(text.to_owned())
}

/// What a story's thread logged.
#[derive(Clone)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<u8>>>,
}

impl Log {
    /// Listens to this thread as long as the guard lives. Every story has to: an event that is met first by a thread
    /// which nobody listens to is turned off for the others.
    pub(crate) fn start() -> (Self, DefaultGuard) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Sink(Arc::clone(&lines));
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || sink.clone())
            .finish();
        (Self { lines }, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn clear(&self) {
        self.lines.lock().expect("no panic").clear();
    }

    /// All of it.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.lines.lock().expect("no panic")).into_owned()
    }

    /// The lines of a level.
    pub(crate) fn of(&self, level: &str) -> Vec<String> {
        let has = |line: &&str| line.contains(&format!(" {level} "));
        self.text().lines().filter(has).map(str::to_owned).collect()
    }
}

#[derive(Clone)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
