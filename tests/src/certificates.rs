//! Certificates and their keys, made for one test, as the PEM files that servers and clients read.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};

/// A private authority, with a folder for what it issues.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

/// A certificate's files.
#[derive(Debug, Clone)]
pub struct Pem {
    /// The certificate.
    pub cert: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// A new one, which nobody trusts yet.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let this = Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::write(this.path("ca.pem"), this.issuer.pem()).unwrap();
        this
    }

    /// The file with its own certificate, for those who are to trust it.
    pub fn ca(&self) -> String {
        self.path("ca.pem").display().to_string()
    }

    /// Issues a certificate for a host or a client of this name.
    pub fn issue(&self, name: &str) -> Pem {
        self.write(name, CertificateParams::new([name.to_owned()]).unwrap())
    }

    /// Issues one whose time is over.
    pub fn issue_expired(&self, name: &str) -> Pem {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.write(&format!("{name}-expired"), params)
    }

    fn write(&self, file: &str, mut params: CertificateParams) -> Pem {
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let pem = Pem {
            cert: self.path(&format!("{file}.pem")).display().to_string(),
            key: self.path(&format!("{file}.key")).display().to_string(),
        };
        std::fs::write(&pem.cert, cert.pem()).unwrap();
        std::fs::write(&pem.key, key.serialize_pem()).unwrap();
        pem
    }

    /// The folder of what it issues.
    pub fn folder(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// A file in its folder, which is gone when this is.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }
}
