//! A certificate that is made in memory, and the two sides of TLS that use it.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::Result;

/// The names that the certificate is for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A certificate that signs itself, with its key.
pub struct Certificate {
    /// The certificate as text, which a client is to trust.
    pub pem: String,
    pub server: Arc<ServerConfig>,
}

/// Makes a certificate for this machine's own addresses.
pub fn make() -> Result<Certificate> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(NAMES.map(str::to_owned))?;
    let key = PrivateKeyDer::try_from(signing_key.serialize_der())?;
    let server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)?;
    Ok(Certificate { pem: cert.pem(), server: Arc::new(server) })
}

/// Returns the settings of a client that trusts the certificates in a text of PEM.
pub fn client(pem: &str) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate?)?;
    }
    let client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(client))
}

/// Returns the cryptography to use.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
