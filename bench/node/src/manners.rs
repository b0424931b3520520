//! Whose manners a node has: what stores differ in, as far as a front door can see it.
//!
//! By the stores' sources and documentation; what all of them share stands in the other files. Absent on purpose: what
//! needs an operation that the node does not offer.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::refusal::Refusal;
use crate::store::Versioning;

/// The store that a node answers like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Manners {
    /// `MinIO`: tells its load, names errors of HEAD in headers, fetches from its peers what it lacks.
    #[default]
    Minio,
    /// `RustFS`: health pages of its own and `MinIO`'s; fetches from its peers; tells no load.
    Rustfs,
    /// `SeaweedFS`: `/healthz` and `/status`; headers of its own on objects.
    Seaweedfs,
    /// Garage: no health page where S3 is served, no versions, and every `x-amz-*` header has to be signed.
    Garage,
    /// Ceph's gateway without the Swift API: no health page.
    Ceph,
    /// AWS S3: no health page, and a version is read with a permission of its own (`s3:GetObjectVersion`).
    S3,
}

const MINIO_PAGES: [&str; 4] =
    ["/minio/health/live", "/minio/health/ready", "/minio/health/cluster", "/minio/health/cluster/read"];
const RUSTFS_PAGES: [&str; 6] = [
    "/minio/health/live",
    "/minio/health/ready",
    "/minio/health/cluster",
    "/minio/health/cluster/read",
    "/health",
    "/health/ready",
];

impl Manners {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Minio, Self::Rustfs, Self::Seaweedfs, Self::Garage, Self::Ceph, Self::S3];

    pub(crate) fn health_pages(self) -> &'static [&'static str] {
        match self {
            Self::Minio => &MINIO_PAGES,
            Self::Rustfs => &RUSTFS_PAGES,
            Self::Seaweedfs => &["/healthz", "/status"],
            Self::Garage | Self::Ceph | Self::S3 => &[],
        }
    }

    /// Whether a film that only a peer has is served as if it were here.
    pub(crate) fn fetches_from_peers(self) -> bool {
        matches!(self, Self::Minio | Self::Rustfs)
    }

    /// Whether answers carry `X-Ratelimit-Limit` and `-Remaining`.
    pub(crate) fn tells_load(self) -> bool {
        self == Self::Minio
    }

    /// Whether a refused HEAD names its error in a header.
    pub(crate) fn names_errors_of_head(self) -> bool {
        self == Self::Minio
    }

    /// Whether who may only read objects may also read them by their version.
    pub(crate) fn reads_versions_as_objects(self) -> bool {
        self != Self::S3
    }

    /// What the bucket does with old versions: as the builder says, where the store knows them at all.
    pub(crate) fn versioning(self, wanted: Versioning) -> Versioning {
        if self == Self::Garage { Versioning::Off } else { wanted }
    }

    /// What is on every answer, beside what all stores say.
    pub(crate) fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Minio => &[
                ("server", "MinIO"),
                ("strict-transport-security", "max-age=31536000; includeSubDomains"),
                ("vary", "Origin"),
                ("x-content-type-options", "nosniff"),
                ("x-xss-protection", "1; mode=block"),
            ],
            Self::Rustfs => &[("server", "RustFS"), ("vary", "Origin")],
            Self::Seaweedfs => {
                &[("server", "SeaweedFS 8000GB 4.48"), ("vary", "Origin"), ("seaweed-x-amz-owner", "admin")]
            }
            Self::Garage => &[],
            Self::Ceph => &[("server", "Ceph Object Gateway (squid)")],
            Self::S3 => &[("server", "AmazonS3")],
        }
    }

    /// Refuses what this store refuses of a signed request's headers before it looks at the signature.
    ///
    /// `signed` is the list of signed headers, of the header or of the link.
    pub(crate) fn judge(self, headers: &HeaderMap, signed: &str) -> Result<(), Refusal> {
        let is_signed = |name: &HeaderName| signed.split(';').any(|signed| signed == name.as_str());
        let unsigned = headers.keys().find(|name| name.as_str().starts_with("x-amz-") && !is_signed(name));
        match (self, unsigned) {
            (Self::Garage, Some(name)) => {
                let message = format!("Header `{name}` should be signed");
                Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidRequest", message))
            }
            _ => Ok(()),
        }
    }
}

/// Inserts what is made of constants.
pub(crate) fn insert_all(headers: &mut HeaderMap, pairs: &[(&'static str, &'static str)]) {
    for (name, value) in pairs {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}
