//! Puts checked values together: the texts that have a grammar of their own, and the rules between values.
//!
//! A value that is missing here has left its fault behind already, so that every function takes all it can, adds the
//! faults that only it can see, and gives up last.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use watchgate_geoip::Coordinates;

use crate::fault::{Faults, Wrong};
use crate::tree::{Item, Origin, Table, Value};
use crate::{Config, Level, Log, LogFormat, duration, size};

mod catalog;
mod geoip;
mod listen;
mod node;
mod presence;
mod route;
mod stream;
mod watch;

/// The configuration; none only if there are faults.
pub(crate) fn config(root: &Table, folder: &Path, faults: &mut Faults) -> Option<Config> {
    let ids = node::ids(root, faults);
    let listen = root.table("listen").and_then(|table| listen::listen(table, faults));
    let viewer = root.table("viewer").and_then(|table| listen::viewer(table, faults));
    let geoip = root.table("geoip").and_then(|table| geoip::geoip(table, &ids, folder, faults));
    let watch = root.table("watch").and_then(|table| watch::watch(table, faults));
    let health = root.table("health").and_then(|table| watch::health(table, faults));
    let presence = presence::presence(root, faults);
    let stream = root.table("stream").and_then(|table| stream::stream(table, faults));
    let catalog = catalog::catalog(root, folder, faults);
    let bucket = root.table("bucket").and_then(|table| node::bucket(table, faults));
    let nodes = node::nodes(root, bucket.as_ref(), faults);
    let routes = route::routes(root, watch.as_ref().map(|watch| &watch.prefix), faults);
    let log = root.table("log").and_then(log);
    Some(Config {
        listen: listen?,
        viewer: viewer?,
        geoip: geoip?,
        watch: watch?,
        health: health?,
        stream: stream?,
        presence: presence?,
        catalog: catalog?,
        bucket: bucket?,
        nodes: nodes?,
        routes: routes?,
        log: log?,
    })
}

fn log(table: &Table) -> Option<Log> {
    Some(Log {
        level: table.word("level", Level::from_word)?,
        format: table.word("format", LogFormat::from_word)?,
        access: table.flag("access")?,
    })
}

/// Reading one checked value; none if the check refused it.
impl Table {
    fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    fn word<T>(&self, key: &str, from_word: fn(&str) -> Option<T>) -> Option<T> {
        from_word(self.text(key)?)
    }

    fn flag(&self, key: &str) -> Option<bool> {
        if let Value::Bool(truth) = self.get(key)?.value { Some(truth) } else { None }
    }

    fn count(&self, key: &str) -> Option<NonZeroU32> {
        let Value::Integer(number) = self.get(key)?.value else { return None };
        NonZeroU32::new(u32::try_from(number).ok()?)
    }

    fn number(&self, key: &str) -> Option<f64> {
        if let Value::Number(number) = self.get(key)?.value { Some(number) } else { None }
    }

    fn duration(&self, key: &str) -> Option<Duration> {
        duration::parse(self.text(key)?).ok()
    }

    /// Bytes.
    fn size(&self, key: &str) -> Option<u64> {
        size::parse(self.text(key)?).ok()
    }

    fn place(&self, key: &str) -> Option<Coordinates> {
        let place = self.table(key)?;
        Coordinates::new(place.number("lat")?, place.number("lon")?).ok()
    }

    /// A text with a grammar of its own.
    fn parsed<T>(&self, key: &str, faults: &mut Faults, parse: fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let item = self.get(key)?;
        faults.keep(parse(item.text()?).map_err(|wrong| item.fault(wrong)))
    }

    /// A list of such texts, no two of them alike.
    fn list<T: PartialEq>(
        &self,
        key: &str,
        faults: &mut Faults,
        parse: fn(&str) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        let Value::List(items) = &self.get(key)?.value else { return None };
        let mut values: Vec<T> = Vec::with_capacity(items.len());
        let before = faults.len();
        for item in items {
            let Some(value) = faults.keep(parse(item.text()?).map_err(|wrong| item.fault(wrong))) else {
                continue;
            };
            if values.contains(&value) {
                faults.push(item.fault(Wrong::new(format!("{:?} stands here twice", item.text()?))));
            }
            values.push(value);
        }
        (faults.len() == before).then_some(values)
    }

    /// The first of these keys that a person wrote, or the first one: where a fault of several is best shown.
    fn written(&self, keys: &[&str]) -> Option<&Item> {
        let items = || keys.iter().filter_map(|key| self.get(key));
        items().find(|item| item.origin != Origin::Default).or_else(|| items().next())
    }
}

/// Whether a file is there is found when it is opened.
fn parse_path(text: &str) -> Result<PathBuf, Wrong> {
    if text.is_empty() { Err(Wrong::new("the path is empty")) } else { Ok(PathBuf::from(text)) }
}

/// `FromStr` as a plain function.
fn from_str<T: FromStr<Err = Wrong>>(text: &str) -> Result<T, Wrong> {
    text.parse()
}
