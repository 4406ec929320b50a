//! Connections that are encrypted and authenticated (TLS).

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use session_core::Error;

/// Which certificates to trust and to show.
///
/// The server's certificate is checked, always, against the host name or address it is reached
/// by.
#[derive(Clone, Default)]
pub struct Tls {
    roots: Option<Vec<u8>>,
    client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Tls {
    /// Trusts the certificate authorities that the operating system trusts, and shows no
    /// certificate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts these certificate authorities and no others: one or several certificates as PEM.
    #[must_use]
    pub fn roots(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// Shows this certificate to the server (mutual TLS): the chain, and its private key, as PEM.
    #[must_use]
    pub fn client_certificate(
        mut self,
        chain_pem: impl Into<Vec<u8>>,
        key_pem: impl Into<Vec<u8>>,
    ) -> Self {
        self.client = Some((chain_pem.into(), key_pem.into()));
        self
    }

    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        let Self { roots, client } = self;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| refuse("tls", error.to_string()))?
            .with_root_certificates(match roots {
                Some(pem) => parse_roots(pem)?,
                None => native_roots()?,
            });
        let config = match client {
            Some((chain, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|_| refuse("tls.key", "it holds no private key as PEM"))?;
                config
                    .with_client_auth_cert(certificates("tls.certificate", chain)?, key)
                    .map_err(|error| refuse("tls.certificate", error.to_string()))?
            }
            None => config.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }
}

/// That there are certificates, and not which.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { roots, client } = self;
        f.debug_struct("Tls")
            .field("own_roots", &roots.is_some())
            .field("client_certificate", &client.is_some())
            .finish()
    }
}

fn parse_roots(pem: &[u8]) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    for certificate in certificates("tls.roots", pem)? {
        store.add(certificate).map_err(|error| refuse("tls.roots", error.to_string()))?;
    }
    Ok(store)
}

fn native_roots() -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    // One unreadable certificate among the system's hundreds is not worth a refusal.
    let (added, _) =
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        let reason = "this system has no certificate authorities to trust: name the server's";
        return Err(refuse("tls.roots", reason));
    }
    Ok(store)
}

fn certificates(field: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| refuse(field, "it is not PEM"))?;
    if certificates.is_empty() {
        return Err(refuse(field, "it holds no certificate as PEM"));
    }
    Ok(certificates)
}

fn refuse(field: &'static str, reason: impl Into<String>) -> Error {
    Error::misconfigured(field, "(not shown)", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_or_key_is_refused_by_name() {
        for (tls, field) in [
            (Tls::new().roots(""), "tls.roots"),
            (Tls::new().roots("-----BEGIN CERTIFICATE-----\n!\n"), "tls.roots"),
            (Tls::new().roots("").client_certificate("", "hunter2"), "tls.roots"),
        ] {
            let error = tls.config().unwrap_err();
            assert_eq!(error.context("field"), Some(field), "{error}");
        }
        let tls = Tls::new().client_certificate("chain", "hunter2");
        assert!(!format!("{tls:?}").contains("hunter2"));
    }
}
