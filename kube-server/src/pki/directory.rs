//! Certificates and keys in a directory, under kubeadm's names (`ca.crt`, `apiserver.key`, `sa.key`, …).

use super::{CertificateAuthority, Credential, Error, Pki, RENEW_BEFORE, Result, ServingNames, Subject, TokenKey};
use jiff::Timestamp;
use rustls::client::danger::ServerCertVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

impl Pki {
    /// What `directory` holds; what is missing, about to expire, or does not name all of `names` is made and kept there.
    /// Keys are readable by their owner only. The authority and the token key are never replaced.
    ///
    /// # Errors
    /// When a file cannot be read, written or parsed, or one half of the authority is missing.
    pub fn load_or_create(directory: &Path, names: &ServingNames, now: Timestamp) -> Result<Self> {
        fs::create_dir_all(directory).map_err(|source| Error::Io {
            action: "create",
            path: directory.to_owned(),
            source,
        })?;
        let authority = load_authority(directory, now)?;
        let verifiers = Verifiers::new(&authority, now)?;
        let all = names.all();
        let serving = load_or_issue(
            directory,
            "apiserver",
            |leaf| verifiers.serves(leaf, &all),
            || authority.serving(&Subject::new("kube-apiserver", ""), &all, now),
        )?;
        let kubelet_client = load_or_issue(
            directory,
            "apiserver-kubelet-client",
            |leaf| verifiers.is_client(leaf),
            || authority.client(&Subject::apiserver_kubelet_client(), now),
        )?;
        Ok(Self { authority, serving, kubelet_client, token_key: load_token_key(directory)? })
    }
}

fn load_authority(directory: &Path, now: Timestamp) -> Result<CertificateAuthority> {
    match read_pair(directory, "ca")? {
        Some(credential) if !fits(&credential) => Err(Error::Malformed {
            what: directory.join("ca.crt").display().to_string(),
            detail: "ca.key is the key of another certificate".to_owned(),
        }),
        Some(credential) => CertificateAuthority::from_pem(&credential),
        None => {
            // What the authority has signed is written after it: a key by itself is one that nobody trusts yet, unless that
            // is there.
            let (certificate, key, signed) = (directory.join("ca.crt"), directory.join("ca.key"), "apiserver.crt");
            if key.exists() && directory.join(signed).exists() {
                return Err(Error::Incomplete { present: key, absent: certificate });
            }
            let authority = CertificateAuthority::generate("kubernetes", now)?;
            write_pair(directory, "ca", &authority.credential())?;
            Ok(authority)
        }
    }
}

fn load_token_key(directory: &Path) -> Result<TokenKey> {
    let path = directory.join("sa.key");
    if let Some(key) = read(&path)? {
        rcgen::KeyPair::from_pem(&key)
            .map_err(|source| Error::Malformed { what: path.display().to_string(), detail: source.to_string() })?;
        return Ok(TokenKey(key));
    }
    let key = TokenKey::generate()?;
    write_secret(&path, &key.0)?;
    Ok(key)
}

fn load_or_issue(
    directory: &Path,
    name: &str,
    is_good: impl Fn(&CertificateDer<'_>) -> bool,
    issue: impl FnOnce() -> Result<Credential>,
) -> Result<Credential> {
    if let Some(credential) = read_pair(directory, name)?
        && let Ok(leaf) = CertificateDer::from_pem_slice(credential.certificate.as_bytes())
        && is_good(&leaf)
        && fits(&credential)
    {
        return Ok(credential);
    }
    let credential = issue()?;
    write_pair(directory, name, &credential)?;
    Ok(credential)
}

/// Whether the key is that of the certificate: a crash while both were replaced leaves one of each. What cannot be read is
/// judged by who reads it.
fn fits(credential: &Credential) -> bool {
    let leaf = CertificateDer::from_pem_slice(credential.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(credential.key.as_bytes());
    let (Ok(leaf), Ok(key)) = (leaf, key) else { return true };
    let pair = CertifiedKey::from_der(vec![leaf], key, &rustls::crypto::ring::default_provider());
    !matches!(pair, Err(rustls::Error::InconsistentKeys(_)))
}

/// Checks kept certificates as their peers will: now and for some time to come.
struct Verifiers {
    server: Arc<dyn ServerCertVerifier>,
    client: Arc<dyn ClientCertVerifier>,
    until: UnixTime,
}

impl Verifiers {
    fn new(authority: &CertificateAuthority, now: Timestamp) -> Result<Self> {
        let malformed = |detail: String| Error::Malformed { what: "certificate authority".to_owned(), detail };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(crate::authentication::roots(authority.certificate()).map_err(malformed)?);
        let server =
            rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()
                .map_err(|error| malformed(error.to_string()))?;
        let client = rustls::server::WebPkiClientVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|error| malformed(error.to_string()))?;
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        Ok(Self { server, client, until: UnixTime::since_unix_epoch(Duration::from_secs(seconds) + RENEW_BEFORE) })
    }

    fn serves(&self, leaf: &CertificateDer<'_>, names: &[String]) -> bool {
        names.iter().all(|name| {
            ServerName::try_from(name.as_str())
                .is_ok_and(|name| self.server.verify_server_cert(leaf, &[], &name, &[], self.until).is_ok())
        })
    }

    fn is_client(&self, leaf: &CertificateDer<'_>) -> bool {
        self.client.verify_client_cert(leaf, &[], self.until).is_ok()
    }
}

fn read_pair(directory: &Path, name: &str) -> Result<Option<Credential>> {
    let certificate_path = directory.join(format!("{name}.crt"));
    let key_path = directory.join(format!("{name}.key"));
    match (read(&certificate_path)?, read(&key_path)?) {
        (Some(certificate), Some(key)) => Ok(Some(Credential { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Error::Incomplete { present: certificate_path, absent: key_path }),
        // The key is written first: a crash between the two leaves it alone, and nobody trusts it yet.
        (None, Some(_)) => Ok(None),
    }
}

fn write_pair(directory: &Path, name: &str, credential: &Credential) -> Result<()> {
    write_secret(&directory.join(format!("{name}.key")), &credential.key)?;
    write(&directory.join(format!("{name}.crt")), &credential.certificate, 0o644)
}

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io { action: "read", path: path.to_owned(), source }),
    }
}

/// Writes a file that only its owner can read: whole or not at all, and durable when this returns.
pub(super) fn write_secret(path: &Path, text: &str) -> Result<()> {
    write(path, text, 0o600)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    write_durably(path, text, mode).map_err(|source| Error::Io { action: "write", path: path.to_owned(), source })
}

fn write_durably(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let mut temporary = PathBuf::from(path).into_os_string();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let _ = fs::remove_file(&temporary);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(&temporary)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    drop(file);
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    #[cfg(unix)]
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::File::open(parent)?.sync_all()?;
    }
    Ok(())
}
