//! TLS for those who ask: rustls on ring, the machine's roots and what the user adds.
//!
//! Absent on purpose: a switch that believes anybody.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::Failure;

/// What is offered without and with HTTP/2.
///
/// # Errors
/// The file has no certificates.
pub(super) fn configs(authority: Option<&Path>) -> Result<[Arc<ClientConfig>; 2], Failure> {
    let mut roots = RootCertStore::empty();
    // A machine without roots can still speak to those whom `--ca` vouches for.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = authority {
        let wrong = |why: String| Failure::NotHere(format!("--ca {}: {why}", path.display()));
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
        let certificates: Result<Vec<_>, _> = certificates.collect();
        let certificates = certificates.map_err(|error| wrong(error.to_string()))?;
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(wrong("no certificate in it".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = |protocols: &[&[u8]]| {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| Failure::NotHere(format!("TLS: {error}")))?;
        let mut config = builder.with_root_certificates(roots.clone()).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    };
    Ok([config(&[b"http/1.1"])?, config(&[b"h2", b"http/1.1"])?])
}
