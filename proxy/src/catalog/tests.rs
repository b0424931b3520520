//! The catalog as the gate uses it, by the template and by a file.

use std::path::Path;

use watchgate_config::Catalog as Config;

use super::*;

const FILM: &str = "01234567-89ab-cdef-fedc-ba9876543210";

fn open(config: &Config, registry: &Registry) -> Result<Catalog, CatalogError> {
    Catalog::open(config, &"films/{uuid}.mp4".parse().unwrap(), Clock::start(), registry)
}

fn film(text: &str) -> Film {
    text.parse().unwrap()
}

fn lookups(registry: &Registry) -> Vec<(String, f64)> {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == "watchgate_catalog_lookups_total").unwrap();
    let series = family.get_metric().iter();
    series.map(|of| (of.get_label()[0].value().to_owned(), of.get_counter().get_value())).collect()
}

#[tokio::test]
async fn the_template_knows_every_film() {
    let registry = Registry::new();
    let catalog = open(&Config::Template, &registry).unwrap();
    let key = format!("films/{FILM}.mp4");
    assert_eq!(catalog.look(&film(FILM), ""), Look::Key(key));
    assert_eq!(catalog.ask(&film(FILM)).await, Ok(()));
    assert!(registry.gather().is_empty(), "there is nothing to count");
    let (stop, shutdown) = watch::channel(false);
    stop.send_replace(true);
    catalog.run(shutdown).await;
}

#[tokio::test]
async fn a_list_knows_its_films_and_that_there_are_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("films.csv");
    std::fs::write(&path, format!("uuid,key\n{FILM},/a.mp4\n")).unwrap();
    let registry = Registry::new();
    let catalog = open(&Config::File(path), &registry).unwrap();
    let other = film("ffffffff-ffff-ffff-ffff-ffffffffffff");
    assert_eq!(catalog.look(&film(FILM), ""), Look::Key("a.mp4".to_owned()));
    assert_eq!(catalog.look(&other, ""), Look::Unknown);
    assert_eq!(catalog.ask(&other).await, Ok(()));
    assert_eq!(catalog.look(&other, ""), Look::Unknown);
    let counted = [("failed", 0.0), ("hit", 1.0), ("miss", 0.0), ("unknown", 2.0)];
    assert_eq!(lookups(&registry), counted.map(|(result, count)| (result.to_owned(), count)));
    assert_eq!(format!("{catalog:?}"), "Catalog { films: 1, .. }");
}

#[test]
fn what_is_wrong_names_the_key() {
    let error = open(&Config::File(Path::new("/nowhere.csv").to_owned()), &Registry::new()).unwrap_err();
    assert_eq!(error.to_string(), "`catalog.file`: /nowhere.csv: No such file or directory (os error 2)");
    let registry = Registry::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("films.csv");
    std::fs::write(&path, "uuid,key\n").unwrap();
    assert!(open(&Config::File(path.clone()), &registry).is_ok());
    let twice = open(&Config::File(path), &registry).unwrap_err();
    assert!(matches!(twice, CatalogError::Metrics(_)), "{twice}");
}

/// Pingora moves requests from thread to thread.
#[test]
fn asking_may_move() {
    fn moves<T: Send>(_: &T) {}
    let catalog = open(&Config::Template, &Registry::new()).unwrap();
    moves(&catalog.ask(&film(FILM)));
    moves(&catalog.run(watch::channel(true).1));
}

#[cfg(not(feature = "postgres"))]
#[test]
fn a_program_without_postgres_says_so() {
    let config = watchgate_config::Postgres {
        url: watchgate_config::Secret::new("postgres://gate:secret@db/movies"),
        query: "SELECT $1".to_owned(),
        ttl: std::time::Duration::from_secs(1),
        negative_ttl: std::time::Duration::from_secs(1),
        timeout: std::time::Duration::from_secs(1),
        connections: std::num::NonZeroU32::MIN,
    };
    let error = open(&Config::Postgres(config), &Registry::new()).unwrap_err();
    assert!(error.to_string().contains("the feature `postgres`"), "{error}");
}
