//! Proves a file before it answers: reads its search tree whole and decodes records from all over it.
//!
//! Linear in the size of the tree and bounded, whatever the bytes say: each node is entered once, no path
//! is longer than an address, and only a few thousand records are decoded. It does not prove every
//! record; a look-up that meets damage further down is a miss and is counted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use maxminddb::{MaxMindDbError, Reader};

use super::{DatabaseFault, DatabaseKind, record};

/// How many records are decoded at most, give or take one.
const DECODED_MAX: u32 = 4096;

/// What stands before the metadata, by the format's specification.
const METADATA_MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// Zero bytes between tree and data, by the format's specification.
const SEPARATOR_BYTES: usize = 16;

/// Says what the file can tell, or why it must not answer.
pub(super) fn probe(bytes: &[u8]) -> Result<DatabaseKind, DatabaseFault> {
    let Some(data_end) = bytes.windows(METADATA_MARKER.len()).rposition(|window| window == METADATA_MARKER)
    else {
        return Err(packed(bytes).map_or(DatabaseFault::NotMmdb, DatabaseFault::Packed));
    };
    let reader = Reader::from_source(bytes).map_err(fault_of)?;
    let tree = Tree::new(bytes, &reader, data_end)?;
    let mut found = Found::default();
    tree.each_leaf(&mut |address| found.add(&reader, address))?;
    found
        .kind()
        .ok_or_else(|| DatabaseFault::NoPlace { database_type: reader.metadata().database_type.clone() })
}

/// What decoding has met so far.
#[derive(Default)]
struct Found {
    coordinates: bool,
    country: bool,
    asn: bool,
}

impl Found {
    fn add(&mut self, reader: &Reader<&[u8]>, address: IpAddr) -> Result<(), DatabaseFault> {
        let place = reader.lookup(address).and_then(|found| record::place(&found)).map_err(fault_of)?;
        self.coordinates |= place.at.is_some();
        self.country |= place.country.is_some() || place.continent.is_some();
        self.asn |= place.asn.is_some();
        Ok(())
    }

    fn kind(&self) -> Option<DatabaseKind> {
        match (self.coordinates, self.country, self.asn) {
            (true, _, _) => Some(DatabaseKind::City),
            (false, true, _) => Some(DatabaseKind::Country),
            (false, false, true) => Some(DatabaseKind::Asn),
            (false, false, false) => None,
        }
    }
}

/// The search tree, read beside the reader because that one gives no way to visit each node once.
struct Tree<'a> {
    nodes: &'a [u8],
    node_count: u32,
    record_bits: u16,
    address_bits: u8,
    data_bytes: usize,
}

#[derive(Clone, Copy)]
enum Node {
    New,
    /// On the way from the root to where the walk is.
    Open,
    Done,
}

enum Step {
    Enter { node: u32, depth: u8, path: u128 },
    Leave { node: u32 },
}

impl<'a> Tree<'a> {
    /// The reader has checked the metadata; what is cut out here is checked all the same.
    fn new(bytes: &'a [u8], reader: &Reader<&[u8]>, data_end: usize) -> Result<Self, DatabaseFault> {
        let metadata = reader.metadata();
        let tree_bytes = u64::from(metadata.node_count) * u64::from(metadata.record_size) / 4;
        let tree_bytes = usize::try_from(tree_bytes).ok();
        let nodes = tree_bytes.and_then(|end| bytes.get(..end));
        let data_bytes = nodes.and_then(|nodes| data_end.checked_sub(nodes.len() + SEPARATOR_BYTES));
        let (Some(nodes), Some(data_bytes)) = (nodes, data_bytes) else {
            return Err(damaged("its search tree is larger than the file"));
        };
        if bytes[nodes.len()..].iter().take(SEPARATOR_BYTES).any(|byte| *byte != 0) {
            return Err(damaged("its search tree does not end where its metadata say"));
        }
        Ok(Self {
            nodes,
            node_count: metadata.node_count,
            record_bits: metadata.record_size,
            address_bits: if metadata.ip_version == 6 { 128 } else { 32 },
            data_bytes,
        })
    }

    /// Enters each node once and hands over the address of every so many-th leaf that has data.
    fn each_leaf(
        &self,
        visit: &mut impl FnMut(IpAddr) -> Result<(), DatabaseFault>,
    ) -> Result<(), DatabaseFault> {
        // A tree of n nodes has n + 1 leaves at most.
        let step = self.node_count / DECODED_MAX + 1;
        let mut leaves = 0_u32;
        let mut states = vec![Node::New; self.node_count as usize];
        let mut pending = vec![Step::Enter { node: 0, depth: 0, path: 0 }];
        while let Some(next) = pending.pop() {
            let (node, depth, path) = match next {
                Step::Enter { node, depth, path } => (node, depth, path),
                Step::Leave { node } => {
                    states[node as usize] = Node::Done;
                    continue;
                }
            };
            match std::mem::replace(&mut states[node as usize], Node::Open) {
                Node::New if depth < self.address_bits => pending.push(Step::Leave { node }),
                Node::New => return Err(damaged("its search tree is deeper than an address is long")),
                Node::Open => return Err(damaged("its search tree runs in a circle")),
                // IPv4 networks are reached from several places of an IPv6 tree.
                Node::Done => {
                    states[node as usize] = Node::Done;
                    continue;
                }
            }
            for (side, target) in (0_u128..).zip(self.children(node)) {
                let path = path | side << (self.address_bits - 1 - depth);
                if target < self.node_count {
                    pending.push(Step::Enter { node: target, depth: depth + 1, path });
                } else if target > self.node_count {
                    self.check_data(target)?;
                    if leaves.is_multiple_of(step) {
                        visit(self.address(path))?;
                    }
                    leaves += 1;
                }
            }
        }
        Ok(())
    }

    fn check_data(&self, target: u32) -> Result<(), DatabaseFault> {
        let offset = (target - self.node_count) as usize;
        if offset < SEPARATOR_BYTES || offset - SEPARATOR_BYTES >= self.data_bytes {
            return Err(damaged("its search tree points outside of its data"));
        }
        Ok(())
    }

    /// Left and right record of a node, big-endian; with 28 bits they share the middle byte.
    fn children(&self, node: u32) -> [u32; 2] {
        let bytes = usize::from(self.record_bits) / 4;
        let node = &self.nodes[node as usize * bytes..][..bytes];
        let whole = node.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let [left, right] = match self.record_bits {
            28 => [whole >> 32 | (whole >> 28 & 0xF) << 24, whole & 0x0FFF_FFFF],
            bits => [whole >> bits, whole & ((1 << bits) - 1)],
        };
        // The reader refuses other sizes than 24, 28 and 32, so 32 bits hold every record; "no data" would
        // be the harmless answer.
        [left, right].map(|record| u32::try_from(record).unwrap_or(self.node_count))
    }

    fn address(&self, path: u128) -> IpAddr {
        // An IPv4 path fills only the low 32 bits.
        u32::try_from(path)
            .ok()
            .filter(|_| self.address_bits == 32)
            .map_or_else(|| Ipv6Addr::from_bits(path).into(), |bits| Ipv4Addr::from_bits(bits).into())
    }
}

fn damaged(what: &str) -> DatabaseFault {
    DatabaseFault::Damaged(what.to_owned())
}

/// The reader has one variant for all that is wrong with metadata; the field it names tells them apart.
fn fault_of(error: MaxMindDbError) -> DatabaseFault {
    match error {
        MaxMindDbError::InvalidDatabase { message, .. }
            if ["binary_format_major_version ", "record_size ", "ip_version "]
                .iter()
                .any(|field| message.starts_with(field)) =>
        {
            DatabaseFault::Unsupported(message)
        }
        error => DatabaseFault::Damaged(error.to_string()),
    }
}

/// The kind of archive, by its first bytes.
fn packed(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x1F, 0x8B, ..] => Some("gzip"),
        [b'P', b'K', 3, 4, ..] => Some("zip"),
        [0xFD, b'7', b'z', b'X', b'Z', ..] => Some("xz"),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Some("zstd"),
        [b'B', b'Z', b'h', ..] => Some("bzip2"),
        [b'7', b'z', 0xBC, 0xAF, ..] => Some("7z"),
        _ => None,
    }
}
