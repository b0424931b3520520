//! Which node is which: names and places, from the gate's own configuration file, if there is one.
//!
//! Only identifier, place and addresses of `[[node]]` are looked at. Absent on purpose: keys and secrets; a line of a
//! file that cannot be read is never quoted, because it may hold one.

use std::collections::HashMap;
use std::path::Path;

use http::Uri;
use http::uri::Authority;
use serde::Deserialize;

use super::tally::Node;
use crate::Failure;

/// Nodes by the authority of their links, and by name.
#[derive(Debug, Default)]
pub(super) struct Places {
    by_authority: HashMap<String, Node>,
    by_name: HashMap<String, Node>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    node: Vec<Table>,
}

#[derive(Deserialize)]
struct Table {
    id: String,
    at: Option<At>,
    endpoint: Option<String>,
    public_url: Option<String>,
}

#[derive(Deserialize)]
struct At {
    lat: f64,
    lon: f64,
}

impl Places {
    /// Reads a gate's configuration file.
    ///
    /// # Errors
    /// It is no TOML, or has nodes without `id`.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(Failure::during(path.display().to_string()))?;
        Self::parse(&text).ok_or_else(|| {
            let path = path.display();
            Failure::NotHere(format!("{path} is no configuration file of a gate: `watchgate check` says why"))
        })
    }

    /// `None`: as [`Places::read`].
    pub(super) fn parse(text: &str) -> Option<Self> {
        let file: File = toml::from_str(text).ok()?;
        let mut places = Self::default();
        for Table { id, at, endpoint, public_url } in file.node {
            let node = Node { name: id.clone(), at: at.map(|at| (at.lat, at.lon)), ..Node::default() };
            let public = public_url.filter(|url| !url.is_empty()).or(endpoint);
            let authority =
                public.and_then(|url| url.parse::<Uri>().ok()?.authority().map(Authority::to_string));
            places.by_authority.extend(authority.map(|authority| (authority, node.clone())));
            places.by_name.insert(id, node);
        }
        Some(places)
    }

    /// The node whose links have this authority; unknown ones are called by it.
    pub(super) fn node_at(&self, authority: &str) -> Node {
        // Links to a bucket by virtual host have its name before the node's.
        let without_bucket = authority.split_once('.').map(|(_, rest)| rest);
        let known = |authority: &str| self.by_authority.get(authority).cloned();
        let known = known(authority).or_else(|| without_bucket.and_then(known));
        known.unwrap_or_else(|| Node { name: authority.to_owned(), ..Node::default() })
    }

    /// The node of this name.
    pub(super) fn node_named(&self, id: &str) -> Node {
        self.by_name.get(id).cloned().unwrap_or_else(|| Node { name: id.to_owned(), ..Node::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_known_by_links_and_by_name() {
        let text = "[bucket]\nname = \"movies\"\n[[node]]\nid = \"ams\"\nat = { lat = 52.4, lon = 4.9 }\n\
                    endpoint = \"http://10.0.0.1:9000\"\npublic_url = \"https://ams.example\"\nsecret_key = \"s\"\n\
                    [[node]]\nid = \"fra\"\nendpoint = \"http://10.0.0.2:9000\"\npublic_url = \"\"\n";
        let places = Places::parse(text).unwrap();
        let check = |node: Node, name: &str, at| assert_eq!((node.name.as_str(), node.at), (name, at));
        check(places.node_at("ams.example"), "ams", Some((52.4, 4.9)));
        check(places.node_at("movies.ams.example"), "ams", Some((52.4, 4.9)));
        check(places.node_at("10.0.0.2:9000"), "fra", None);
        check(places.node_at("10.0.0.1:9000"), "10.0.0.1:9000", None);
        check(places.node_named("fra"), "fra", None);
        check(places.node_named("x"), "x", None);
        assert!(Places::parse("secret_key = \"x").is_none());
    }
}
