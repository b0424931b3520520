//! Address to place: what MMDB files (`MaxMind` DB), held in memory, say of a viewer's address.
//!
//! City, Country and ASN files in the nested layout of `MaxMind` and DB-IP and in the flat one
//! (ip-location-db), any mixture, field by field; the operator's rules; distance; country centroids.
//! Deliberately absent: nodes, configuration files, Pingora, clocks, and files that others may
//! change under us (nothing is memory-mapped).

mod address;
mod asn;
mod cache;
mod centroid;
mod code;
mod coordinates;
mod databases;
mod place;
pub mod rule;

pub use address::unmap;
pub use asn::{Asn, AsnError};
pub use cache::{CacheKey, Cached, PlaceCache};
pub use centroid::{Centroid, centroid};
pub use code::{CodeError, ContinentCode, CountryCode};
pub use coordinates::{Coordinates, CoordinatesError, Direction};
pub use databases::{
    DATABASES_MAX, DatabaseError, DatabaseFault, DatabaseInfo, DatabaseKind, Databases, RecordKey,
};
pub use place::Place;
