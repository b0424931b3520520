//! Routes that are right, and the values they become.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use watchgate_config::{HostRule, Route};

use crate::support::{EXAMPLE, SMALL, example_env, good};

fn routes(tables: &str) -> Vec<Route> {
    good(&format!("{SMALL}{tables}"), &BTreeMap::new()).config.routes
}

#[test]
fn a_small_route_has_the_documented_defaults() {
    assert_eq!(routes(""), []);
    let [route] = &routes("[[route]]\nprefix = \"/api\"\nto = \"http://api:8000/\"")[..] else {
        panic!("one route")
    };
    assert_eq!((&*route.prefix, route.prefix.trimmed()), ("/api", "/api"));
    assert_eq!(route.to.iter().map(ToString::to_string).collect::<Vec<_>>(), ["http://api:8000"]);
    assert_eq!((route.strip_prefix, &route.host), (false, &HostRule::Viewer));
    let health = &route.health;
    assert_eq!(health.path, None);
    assert_eq!((health.interval, health.timeout), (Duration::from_secs(2), Duration::from_secs(1)));
    assert_eq!((health.rise.get(), health.fall.get()), (2, 3));
    assert_eq!(route.connect_timeout, Duration::from_secs(2));
    assert_eq!((route.read_timeout, route.write_timeout), (Duration::from_mins(1), Duration::from_mins(1)));
    assert_eq!(route.body_max, NonZeroU64::new(16 << 20));
    assert_eq!(route.websocket_timeout, Some(Duration::from_hours(1)));
}

/// Every default that the example shows is the one that is taken without it.
#[test]
fn the_example_shows_the_defaults() {
    let shown = good(EXAMPLE, &example_env()).config.routes;
    assert_eq!(shown, routes("[[route]]\nprefix = \"/api/\"\nto = \"http://movies-api:8000\""));
}

#[test]
fn routes_of_every_shape_are_taken_to_their_bounds() {
    let most = &routes(
        "[[route]]\nprefix = \"/\"\nto = [\"http://a\", \"https://b:8443\", \"http://[::1]:1\"]\nstrip_prefix = true\n\
         host = \"Films.Example\"\nhealth_path = \"/health?deep=1\"\nhealth_interval = \"1h\"\nhealth_timeout = \"1m\"\n\
         health_rise = 100\nhealth_fall = 100\nconnect_timeout = \"1m\"\nread_timeout = \"24h\"\n\
         write_timeout = \"24h\"\nbody_max = \"0KiB\"\nwebsocket = false",
    )[0];
    assert_eq!((&*most.prefix, most.prefix.trimmed(), most.to.len()), ("/", "", 3));
    assert_eq!(most.host, HostRule::Literal("films.example".to_owned()));
    assert_eq!(most.health.path.as_deref(), Some("/health?deep=1"));
    assert_eq!((most.body_max, most.websocket_timeout), (None, None));
    let least = &routes(
        "[[route]]\nprefix = \"/a/b.c/\"\nto = \"http://a\"\nhost = \"upstream\"\nhealth_interval = \"100ms\"\n\
         health_timeout = \"10ms\"\nhealth_rise = 1\nhealth_fall = 1\nconnect_timeout = \"10ms\"\nread_timeout = \"50ms\"\n\
         write_timeout = \"50ms\"\nbody_max = \"1KiB\"\nwebsocket_timeout = \"1s\"",
    )[0];
    assert_eq!((&least.host, least.body_max), (&HostRule::Upstream, NonZeroU64::new(1024)));
    assert_eq!(least.websocket_timeout, Some(Duration::from_secs(1)));
}

/// Around the watch path there may be routes, but not within it.
#[test]
fn routes_around_the_films_are_taken() {
    let around = ["/", "/films/", "/films/v12", "/films/v/"];
    let tables = around.map(|prefix| format!("[[route]]\nprefix = \"{prefix}\"\nto = \"http://a\"\n"));
    let config =
        good(&format!("watch.prefix = \"/films/v1/\"\n{SMALL}{}", tables.concat()), &BTreeMap::new());
    assert_eq!(config.config.routes.iter().map(|route| &*route.prefix).collect::<Vec<_>>(), around);
}

#[test]
fn a_print_says_where_each_key_comes_from() {
    let text = format!("{SMALL}[[route]]\nprefix = \"/api/\"\nto = \"http://api:8000\"\n");
    let loaded = good(&text, &BTreeMap::new());
    let printed = loaded.print();
    let expected = "[[route]]\nprefix = \"/api/\"  # file:11\nto = [\"http://api:8000\"]  # file:12\n\
                    strip_prefix = false  # default\nhost = \"viewer\"  # default\n";
    assert!(printed.contains(expected), "{printed}");
    assert_eq!(loaded.print_json()["config"]["route"][0]["body_max"], "16MiB");
    assert_eq!(good(&printed, &BTreeMap::new()).config.routes, loaded.config.routes);
}
