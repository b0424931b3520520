//! What is read once, when the gate starts: listeners and tokens, the log, the shape of the library, the routes.
//!
//! Absent on purpose: everything that a snapshot brings.

use watchgate_config::Config;

/// Puts the running values in place of those that only a restart brings, and names the keys that differ.
/// `asks_for_films`: the gate has what it takes to stream.
pub(super) fn keep(next: &mut Config, running: &Config, asks_for_films: bool) -> Vec<&'static str> {
    let mut kept = Kept(Vec::new());
    kept.keep("listen.http", &mut next.listen.http, &running.listen.http);
    kept.keep("listen.admin", &mut next.listen.admin, &running.listen.admin);
    kept.keep("listen.admin_token", &mut next.listen.admin_token, &running.listen.admin_token);
    kept.keep("listen.events", &mut next.listen.events, &running.listen.events);
    kept.keep("watch.prefix", &mut next.watch.prefix, &running.watch.prefix);
    kept.keep("watch.object", &mut next.watch.object, &running.watch.object);
    if !asks_for_films {
        kept.keep("watch.mode", &mut next.watch.mode, &running.watch.mode);
    }
    kept.keep("presence.enabled", &mut next.presence.enabled, &running.presence.enabled);
    kept.keep("presence.capacity", &mut next.presence.capacity, &running.presence.capacity);
    kept.keep("presence.events_token", &mut next.presence.events_token, &running.presence.events_token);
    kept.keep("catalog", &mut next.catalog, &running.catalog);
    kept.keep("route", &mut next.routes, &running.routes);
    kept.keep("log", &mut next.log, &running.log);
    kept.0
}

struct Kept(Vec<&'static str>);

impl Kept {
    fn keep<T: Clone + PartialEq>(&mut self, key: &'static str, next: &mut T, running: &T) {
        if next != running {
            next.clone_from(running);
            self.0.push(key);
        }
    }
}

#[cfg(test)]
mod tests;
