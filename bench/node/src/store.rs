//! The buckets of one node: films with all their versions and delete markers.
//!
//! Pure bookkeeping under one lock that the caller holds. No clock, no HTTP, no
//! knowledge of other nodes: what is copied where stands in `replicate.rs`.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::content::Content;

/// Does the bucket keep old versions (`MinIO` with versioning) or overwrite (Garage)?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versioning {
    /// Every put adds a version, a delete adds a marker, answers name a version id.
    #[default]
    On,
    /// One version per key, no ids, no markers.
    Off,
}

/// What `x-amz-replication-status` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replication {
    /// No replica was set up when the film came: no header.
    None,
    /// So many replicas lack it still.
    Pending(usize),
    /// All replicas have it.
    Completed,
    /// This node is the replica.
    Replica,
}

#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) id: String,
    /// Whole seconds, as `Last-Modified` shows it.
    pub(crate) modified: Timestamp,
    pub(crate) replication: Replication,
    /// Nothing: this version is a delete marker.
    pub(crate) film: Option<Film>,
}

#[derive(Clone, Debug)]
pub(crate) struct Film {
    pub(crate) content: Content,
    pub(crate) content_type: String,
    /// Without quotes.
    pub(crate) etag: String,
}

/// The answer to "what is under this key".
#[derive(Clone, Debug)]
pub(crate) enum Lookup {
    NoBucket,
    NoKey,
    NoVersion,
    /// Deleted: the marker's version.
    Deleted(Version),
    Found(Version, Film),
}

#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) versioning: Versioning,
    buckets: HashMap<String, HashMap<String, Vec<Version>>>,
}

impl Store {
    pub(crate) fn new(versioning: Versioning) -> Self {
        Self { versioning, buckets: HashMap::new() }
    }

    pub(crate) fn add_bucket(&mut self, bucket: &str) {
        self.buckets.entry(bucket.to_owned()).or_default();
    }

    pub(crate) fn remove_bucket(&mut self, bucket: &str) {
        self.buckets.remove(bucket);
    }

    pub(crate) fn has_bucket(&self, bucket: &str) -> bool {
        self.buckets.contains_key(bucket)
    }

    /// Puts `version` on top of what is there. False: no such bucket.
    pub(crate) fn put(&mut self, bucket: &str, key: &str, version: Version) -> bool {
        let Some(films) = self.buckets.get_mut(bucket) else { return false };
        match self.versioning {
            Versioning::On => films.entry(key.to_owned()).or_default().push(version),
            Versioning::Off if version.film.is_some() => {
                films.insert(key.to_owned(), vec![version]);
            }
            Versioning::Off => {
                films.remove(key);
            }
        }
        true
    }

    /// Takes over a version of another node unless it is here already.
    pub(crate) fn copy_in(&mut self, bucket: &str, key: &str, version: Version) {
        let known = self.versions(bucket, key).iter().any(|have| have.id == version.id);
        if !known {
            self.put(bucket, key, Version { replication: Replication::Replica, ..version });
        }
    }

    /// The current version, or the named one.
    pub(crate) fn lookup(&self, bucket: &str, key: &str, version_id: Option<&str>) -> Lookup {
        if !self.has_bucket(bucket) {
            return Lookup::NoBucket;
        }
        let versions = self.versions(bucket, key);
        let found = match version_id {
            None => versions.last(),
            Some(id) => versions.iter().find(|version| version.id == id),
        };
        match (found, version_id) {
            (Some(version), _) => match &version.film {
                Some(film) => Lookup::Found(version.clone(), film.clone()),
                None => Lookup::Deleted(version.clone()),
            },
            (None, None) => Lookup::NoKey,
            (None, Some(_)) => Lookup::NoVersion,
        }
    }

    /// Removes one version, or with no id everything under the key, without a marker.
    pub(crate) fn forget(&mut self, bucket: &str, key: &str, version_id: Option<&str>) {
        let Some(films) = self.buckets.get_mut(bucket) else { return };
        match (version_id, films.get_mut(key)) {
            (Some(id), Some(versions)) => versions.retain(|version| version.id != id),
            _ => {
                films.remove(key);
            }
        }
    }

    /// One replica more has the version.
    pub(crate) fn replicated(&mut self, bucket: &str, key: &str, version_id: &str) {
        let versions = self.buckets.get_mut(bucket).and_then(|films| films.get_mut(key));
        let version = versions.and_then(|all| all.iter_mut().find(|version| version.id == version_id));
        if let Some(version) = version
            && let Replication::Pending(missing) = version.replication
        {
            version.replication = match missing.saturating_sub(1) {
                0 => Replication::Completed,
                missing => Replication::Pending(missing),
            };
        }
    }

    /// Everything that was written here, oldest version of a key first, now waiting for one replica more.
    pub(crate) fn wait_for_one_more(&mut self) -> Vec<(String, String, String)> {
        let mut own = Vec::new();
        for (bucket, films) in &mut self.buckets {
            for (key, versions) in films {
                for version in versions {
                    let missing = match version.replication {
                        Replication::Replica => continue,
                        Replication::Pending(missing) => missing,
                        Replication::None | Replication::Completed => 0,
                    };
                    version.replication = Replication::Pending(missing + 1);
                    own.push((bucket.clone(), key.clone(), version.id.clone()));
                }
            }
        }
        own
    }

    fn versions(&self, bucket: &str, key: &str) -> &[Version] {
        self.buckets.get(bucket).and_then(|films| films.get(key)).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: &str, film: Option<&'static str>) -> Version {
        let film = film.map(|text| Film {
            content: Content::Bytes(text.into()),
            content_type: String::new(),
            etag: text.to_owned(),
        });
        Version { id: id.to_owned(), modified: Timestamp::UNIX_EPOCH, replication: Replication::None, film }
    }

    fn check(store: &Store, key: &str, version_id: Option<&str>, want: &str) {
        let got = match store.lookup("movies", key, version_id) {
            Lookup::NoBucket => "no bucket".to_owned(),
            Lookup::NoKey => "no key".to_owned(),
            Lookup::NoVersion => "no version".to_owned(),
            Lookup::Deleted(marker) => format!("deleted {}", marker.id),
            Lookup::Found(version, film) => format!("{} {}", version.id, film.etag),
        };
        assert_eq!(got, want, "{key} {version_id:?}");
    }

    #[test]
    fn versions_and_markers() {
        let mut store = Store::default();
        assert!(!store.put("movies", "film", version("0", Some("a"))));
        check(&store, "film", None, "no bucket");
        store.add_bucket("movies");
        check(&store, "film", None, "no key");
        store.put("movies", "film", version("1", Some("a")));
        store.put("movies", "film", version("2", Some("b")));
        check(&store, "film", None, "2 b");
        check(&store, "film", Some("1"), "1 a");
        check(&store, "film", Some("9"), "no version");
        store.put("movies", "film", version("3", None));
        check(&store, "film", None, "deleted 3");
        check(&store, "film", Some("2"), "2 b");
        store.forget("movies", "film", Some("3"));
        check(&store, "film", None, "2 b");
        store.forget("movies", "film", None);
        check(&store, "film", None, "no key");
    }

    #[test]
    fn without_versioning_one_version_is_kept() {
        let mut store = Store::new(Versioning::Off);
        store.add_bucket("movies");
        store.put("movies", "film", version("1", Some("a")));
        store.put("movies", "film", version("2", Some("b")));
        check(&store, "film", Some("1"), "no version");
        store.put("movies", "film", version("3", None));
        check(&store, "film", None, "no key");
    }

    #[test]
    fn completed_only_after_all_replicas() {
        let mut store = Store::default();
        store.add_bucket("movies");
        store.put("movies", "film", version("1", Some("a")));
        let status = |store: &Store| match store.lookup("movies", "film", None) {
            Lookup::Found(version, _) => version.replication,
            other => panic!("{other:?}"),
        };
        assert_eq!(store.wait_for_one_more().len(), 1);
        store.wait_for_one_more();
        assert_eq!(status(&store), Replication::Pending(2));
        store.replicated("movies", "film", "1");
        assert_eq!(status(&store), Replication::Pending(1));
        store.replicated("movies", "film", "1");
        assert_eq!(status(&store), Replication::Completed);
    }
}
