//! The settings that are one word of a few, each with the words as they stand in the file.
//!
//! Words are lower case and taken in no other form. A word of a later version is absent here until it works.

/// An enum whose variants are words of the configuration.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$note])* $variant,)+ }

        impl $name {
            /// Every word, in the order of the documentation.
            pub(crate) const WORDS: &'static [&'static str] = &[$($word,)+];

            /// The word as it stands in the file.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            pub(crate) fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.pad(self.as_str())
            }
        }
    };
}

words! {
    /// The header in which trusted proxies name the viewer.
    ForwardedHeader {
        /// `X-Forwarded-For`, a list.
        XForwardedFor = "x-forwarded-for",
        /// `Forwarded` (RFC 7239).
        Forwarded = "forwarded",
        /// `X-Real-IP`, one address.
        XRealIp = "x-real-ip",
    }
}

impl ForwardedHeader {
    /// The header's name, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.as_str()
    }
}

words! {
    /// How a film reaches the viewer.
    Mode {
        /// By a signed link to a node.
        Redirect = "redirect",
        /// Through the gate, which reads it from the nodes.
        Stream = "stream",
    }
}

words! {
    /// What is done when no node is healthy.
    AllDown {
        /// The nearest node that is not known to lack the film, as if it were healthy.
        NearestAnyway = "nearest-anyway",
        /// The source.
        Source = "source",
        /// `503`.
        Refuse = "refuse",
    }
}

words! {
    /// Whether films are uploaded to a node or replicated to it.
    Role {
        /// Films are uploaded here; at most one node.
        Source = "source",
        /// Films come here by replication.
        Replica = "replica",
    }
}

words! {
    /// What kind of server a node is: it decides the health URL beside the signed probe.
    Profile {
        /// `MinIO`.
        Minio = "minio",
        /// `RustFS`.
        Rustfs = "rustfs",
        /// `SeaweedFS`.
        Seaweedfs = "seaweedfs",
        /// Garage.
        Garage = "garage",
        /// Ceph's object gateway.
        Ceph = "ceph",
        /// Any other S3 server: the signed probe alone.
        S3 = "s3",
    }
}

words! {
    /// Where the bucket stands in a URL.
    Addressing {
        /// `https://host/bucket/key`.
        Path = "path",
        /// `https://bucket.host/key`.
        VirtualHost = "virtual-host",
    }
}

words! {
    /// The least that is logged.
    Level {
        /// The operator must act now.
        Error = "error",
        /// The operator must act soon.
        Warn = "warn",
        /// Changes of state.
        Info = "info",
        /// Single requests.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

words! {
    /// The form of a log line.
    LogFormat {
        /// For people.
        Text = "text",
        /// For programs.
        Json = "json",
    }
}
