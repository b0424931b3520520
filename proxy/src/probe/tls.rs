//! TLS towards nodes: whom the probes trust.
//!
//! The crypto provider is named here and never taken from the process, which may belong to another host program.
//! Absent on purpose: client certificates, and any way not to verify a node.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// Why there can be no probes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// A node is reached over https, and this machine trusts nobody.
    #[error(
        "a node's `endpoint` is https, but this machine has no trusted certificates{0}: \
         install its CA certificates (package ca-certificates) or name a file in SSL_CERT_FILE"
    )]
    NoRoots(String),
    /// The TLS library refused its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Trusts what this machine trusts. Reads files: called once, before anything runs.
pub(super) fn native() -> Result<Arc<ClientConfig>, ProbeError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let first = found.errors.first().map(|error| format!(" ({error})"));
        return Err(ProbeError::NoRoots(first.unwrap_or_default()));
    }
    trusting(roots)
}

/// Trusts these roots alone.
pub(super) fn trusting(roots: RootCertStore) -> Result<Arc<ClientConfig>, ProbeError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
