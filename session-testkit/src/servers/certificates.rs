//! Certificates of an authority that nobody else trusts.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::{fmt, io};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use super::account::Account;

/// An authority, and what it has certified: a server on 127.0.0.1 and `localhost`, and a client.
/// All of it is PEM text.
///
/// ```
/// use session_testkit::servers::Certificates;
///
/// let (ours, strangers) = (Certificates::generate(), Certificates::generate());
/// assert!(ours.ca.starts_with("-----BEGIN CERTIFICATE-----"));
/// assert_ne!(ours.ca, strangers.ca);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Certificates {
    /// The certificate of the authority.
    pub ca: String,
    /// The certificate of the server.
    pub server_cert: String,
    /// The private key of the server (PKCS #8).
    pub server_key: String,
    /// The certificate of the client.
    pub client_cert: String,
    /// The private key of the client (PKCS #8).
    pub client_key: String,
}

impl Certificates {
    /// Makes an authority and all that it certifies.
    ///
    /// # Panics
    ///
    /// If the operating system gives no random bytes.
    pub fn generate() -> Self {
        Self::try_generate().expect("generating certificates")
    }

    fn try_generate() -> Result<Self, rcgen::Error> {
        let mut params = params("session-testkit authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let ca = params.self_signed(&key)?.pem();
        let authority = Issuer::new(params, key);

        let (server_cert, server_key) = certify(&authority, ExtendedKeyUsagePurpose::ServerAuth)?;
        let (client_cert, client_key) = certify(&authority, ExtendedKeyUsagePurpose::ClientAuth)?;
        Ok(Self { ca, server_cert, server_key, client_cert, client_key })
    }
}

/// The server's certificate and its key, in its folder.
pub(super) const SERVER_CERT: &str = "server.pem";
pub(super) const SERVER_KEY: &str = "server.key";

impl Certificates {
    /// Puts there what a server shows, for nobody else to read.
    pub(super) fn write_server(&self, account: Account, folder: &Path) -> io::Result<()> {
        account.write(&folder.join(SERVER_CERT), &self.server_cert)?;
        account.write(&folder.join(SERVER_KEY), &self.server_key)
    }
}

/// Keys that no one else trusts are no secrets; a wall of PEM in a failure is of no use, though.
impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

fn certify(
    authority: &Issuer<'_, KeyPair>,
    purpose: ExtendedKeyUsagePurpose,
) -> Result<(String, String), rcgen::Error> {
    let mut params = params("localhost");
    params.subject_alt_names = vec![
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::DnsName("localhost".try_into()?),
    ];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}

fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}
