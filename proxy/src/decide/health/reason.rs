//! The reasons for which a node is not up, with what an operator is to make of each.
//!
//! A closed set: the words are labels of metrics and part of the JSON. No detail of a single failure is kept.

/// Why a round of probes was bad. The first is the most telling one, see [`super::worst`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The endpoint's name did not resolve.
    Dns,
    /// Nobody listens, or the connection was reset.
    Refused,
    /// The TLS handshake failed.
    Tls,
    /// The store says of itself that it is not ready.
    OfflineHeader,
    /// The clocks are so far apart that signatures are not valid.
    ClockSkew,
    /// The node does not know our key, or got another signature.
    BadSignature,
    /// The bucket is not there.
    NoBucket,
    /// The canary object is not there.
    NoCanary,
    /// The key is known and may not read.
    Forbidden,
    /// Any other status that is no success.
    Status,
    /// No complete answer in time.
    Timeout,
    /// Viewers' requests failed too often, whatever the probes say.
    Ejected,
}

impl Reason {
    /// All of them, for labels that must exist before they happen.
    pub const ALL: [Self; 12] = [
        Self::Dns,
        Self::Refused,
        Self::Tls,
        Self::OfflineHeader,
        Self::ClockSkew,
        Self::BadSignature,
        Self::NoBucket,
        Self::NoCanary,
        Self::Forbidden,
        Self::Status,
        Self::Timeout,
        Self::Ejected,
    ];

    /// The word for logs, labels and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Tls => "tls",
            Self::OfflineHeader => "offline_header",
            Self::ClockSkew => "clock_skew",
            Self::BadSignature => "bad_signature",
            Self::NoBucket => "no_bucket",
            Self::NoCanary => "no_canary",
            Self::Forbidden => "forbidden",
            Self::Status => "status",
            Self::Timeout => "timeout",
            Self::Ejected => "ejected",
        }
    }

    /// What it means and what to do, for somebody who has just been woken.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Dns => {
                "the host name of the node's `endpoint` does not resolve here: check the name and this \
                 machine's resolver"
            }
            Self::Refused => {
                "nothing accepts connections at the node's `endpoint`: check that the store runs, its port, \
                 and the firewall between"
            }
            Self::Tls => {
                "the TLS handshake with the node's `endpoint` fails: check its certificate's date and name, \
                 and that this machine trusts its issuer"
            }
            Self::OfflineHeader => {
                "the store runs but says that it is not ready, as it does while it starts or has lost its \
                 disks: read the node's own log"
            }
            Self::ClockSkew => {
                "the clocks of the node and this machine are more than 15 minutes apart, so no signed link \
                 is valid: set both by NTP"
            }
            Self::BadSignature => {
                "the node refuses our signature: check `access_key`, the secret key and `bucket.region`, \
                 and that nothing between rewrites the Host header"
            }
            Self::NoBucket => {
                "the node answers but has no such bucket: check `bucket.name`, and that replication created \
                 it on this node"
            }
            Self::NoCanary => {
                "the bucket is there but the object of `health.canary` is not: upload it at the source, and \
                 check that this node is replicated to"
            }
            Self::Forbidden => {
                "the node knows us but forbids reading: the key needs s3:GetObject on the objects and \
                 s3:ListBucket on the bucket (a store that names no cause on HEAD says a wrong key so, too)"
            }
            Self::Status => {
                "the node answers with an error status, mostly 503 while it cannot serve: read the node's \
                 own log, and look for a proxy before it"
            }
            Self::Timeout => {
                "the node takes too long or is frozen: look at its load and disks and at the way there; if \
                 it is merely far away, raise `health.timeout`"
            }
            Self::Ejected => {
                "the probes are answered but viewers' requests fail: compare the node's log with the \
                 failures counted here; it is taken back when they end"
            }
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
