//! `[bucket]` and every `[[node]]`.
//!
//! Ids come first, because rules refer to them; secrets are in the tree already. No node is asked whether it is there.

use super::from_str;
use crate::fault::{Fault, Faults, Wrong};
use crate::name::{parse_access_key, parse_bucket, parse_region};
use crate::tree::Table;
use crate::{Addressing, AllDown, Bucket, Endpoint, Node, NodeId, Profile, Role, Scheme, secrets};

/// Longest DNS name in bytes (RFC 1035, section 2.3.4, as text).
const DNS_NAME_MAX: usize = 253;

/// The nodes' names, read before anything that refers to them.
pub(super) struct Ids {
    pub(super) known: Vec<NodeId>,
    /// False where a name is missing or wrong: then nobody can say that a node does not exist.
    pub(super) complete: bool,
}

pub(super) fn ids(root: &Table, faults: &mut Faults) -> Ids {
    let mut known: Vec<NodeId> = Vec::new();
    let mut complete = root.tables("node").next().is_some();
    for table in root.tables("node") {
        let Some(id) = table.parsed("id", faults, from_str::<NodeId>) else {
            complete = false;
            continue;
        };
        if known.contains(&id)
            && let Some(item) = table.get("id")
        {
            faults.push(item.fault(Wrong::new(format!("\"{id}\" is the id of another node too"))));
        }
        known.push(id);
    }
    Ids { known, complete }
}

pub(super) fn bucket(table: &Table, faults: &mut Faults) -> Option<Bucket> {
    let name = table.parsed("name", faults, parse_bucket);
    let region = table.parsed("region", faults, parse_region);
    Some(Bucket { name: name?, region: region? })
}

pub(super) fn nodes(root: &Table, bucket: Option<&Bucket>, faults: &mut Faults) -> Option<Vec<Node>> {
    check_source(root, faults);
    let nodes: Vec<Option<Node>> = root.tables("node").map(|table| node(table, bucket, faults)).collect();
    root.get("node")?;
    nodes.into_iter().collect()
}

/// At most one source; and one, if the policy for a fleet that is down names it.
fn check_source(root: &Table, faults: &mut Faults) {
    let mut first: Option<&str> = None;
    let mut sure = root.get("node").is_some();
    for table in root.tables("node") {
        let Some(role) = table.word("role", Role::from_word) else {
            sure = false;
            continue;
        };
        if role != Role::Source {
            continue;
        }
        if let (Some(first), Some(item)) = (first, table.get("role")) {
            let wrong = Wrong::new(format!("{first} is the source already, and there is at most one"));
            faults.push(item.fault(wrong.hint("films are uploaded to one node; the others are replicas")));
        }
        first = first.or(Some(&table.path));
    }
    let Some(watch) = root.table("watch") else { return };
    if sure
        && first.is_none()
        && watch.word("all_down", AllDown::from_word) == Some(AllDown::Source)
        && let Some(item) = watch.get("all_down")
    {
        let wrong = Wrong::new("no node is the source");
        faults.push(
            item.fault(wrong.hint("give one node role = \"source\", or choose nearest-anyway or refuse")),
        );
    }
}

fn node(table: &Table, bucket: Option<&Bucket>, faults: &mut Faults) -> Option<Node> {
    let endpoint = table.parsed("endpoint", faults, from_str::<Endpoint>);
    let public_url = match table.text("public_url") {
        Some("") => endpoint.clone(),
        _ => table.parsed("public_url", faults, from_str::<Endpoint>),
    };
    let addressing = table.word("addressing", Addressing::from_word);
    if let (Some(Addressing::VirtualHost), Some(bucket)) = (addressing, bucket) {
        check_virtual_host(table, bucket, "endpoint", endpoint.as_ref(), faults);
        if table.text("public_url") != Some("") {
            check_virtual_host(table, bucket, "public_url", public_url.as_ref(), faults);
        }
    }
    let access_key = table.parsed("access_key", faults, parse_access_key);
    Some(Node {
        id: table.text("id")?.parse().ok()?,
        role: table.word("role", Role::from_word)?,
        profile: table.word("profile", Profile::from_word)?,
        endpoint: endpoint?,
        public_url: public_url?,
        at: table.place("at")?,
        max_viewers: table.count("max_viewers")?,
        weight: table.number("weight")?,
        base_ms: table.number("base_ms")?,
        addressing: addressing?,
        access_key: access_key?,
        secret_key: secrets::find(table, "secret_key")?,
        session_token: secrets::find(table, "session_token"),
    })
}

/// With virtual hosts the bucket becomes the first part of a name, which has to be a name that is served.
fn check_virtual_host(
    table: &Table,
    bucket: &Bucket,
    key: &str,
    url: Option<&Endpoint>,
    faults: &mut Faults,
) {
    let (Some(url), Some(item)) = (url, table.get(key)) else { return };
    let wrong = if !url.is_named() {
        Wrong::new("virtual-host addressing puts the bucket before a name, and this host is an address")
    } else if url.scheme() == Scheme::Https && bucket.name.contains('.') {
        Wrong::new(
            "virtual-host addressing over https cannot work with a bucket that has dots: certificates do not match",
        )
    } else if bucket.name.len() + 1 + url.host().len() > DNS_NAME_MAX {
        Wrong::new(format!("the bucket and this host make a name of more than {DNS_NAME_MAX} characters"))
    } else {
        return;
    };
    let fault: Fault = item.fault(wrong.hint("use addressing = \"path\""));
    faults.push(fault);
}
