//! Why a file was refused, in sentences that name the file and who must act.

use std::io;

use super::DATABASES_MAX;

/// One refused file.
#[derive(Debug, thiserror::Error)]
#[error("GeoIP database {name}: {fault}")]
pub struct DatabaseError {
    /// The path, or the name it was given.
    pub name: String,
    /// What is wrong with it. Part of the message already, so not a `source` as well.
    pub fault: DatabaseFault,
}

/// What is wrong with a file; one variant for each thing to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseFault {
    /// The operator corrects the path or its permissions.
    #[error("cannot be read ({0}); the operator must correct the path or its permissions")]
    Unreadable(io::Error),
    /// The operator unpacks it.
    #[error("is packed ({0}); the operator must unpack it and name the .mmdb file inside")]
    Packed(&'static str),
    /// Another kind of file, or cut short: the metadata stand at the end. It is fetched again.
    #[error(
        "is not a whole MaxMind DB file (no metadata at its end): it was cut short while it was copied, or is \
         another kind of file; whoever delivers it must send it again"
    )]
    NotMmdb,
    /// It is fetched again.
    #[error("is damaged ({0}); whoever delivers it must send it again")]
    Damaged(String),
    /// Another edition of the database, or a newer watchgate.
    #[error(
        "has a form that this version cannot read ({0}); take another edition of it, or a newer watchgate"
    )]
    Unsupported(String),
    /// The operator names a database that tells places.
    #[error(
        "of type {database_type:?} knows no coordinates, country, continent or AS number; the operator must \
         name a City, Country or ASN database instead"
    )]
    NoPlace {
        /// The file's own word for itself.
        database_type: String,
    },
    /// The operator removes some.
    #[error(
        "is beyond the {DATABASES_MAX} databases that can answer together ({count} are named); the operator \
             must remove some"
    )]
    TooMany {
        /// How many were named.
        count: usize,
    },
}
