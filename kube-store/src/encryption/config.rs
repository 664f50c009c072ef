//! Kubernetes' `EncryptionConfiguration` (`apiserver.config.k8s.io/v1`): which resources are encrypted, and with what.
//!
//! Validation and its texts follow `apiserver/pkg/apis/apiserver/validation/validation_encryption.go`. Secrets of keys are
//! in no message.

mod schema;
mod validation;

use super::{AesCbc, AesGcm, Identity, Key, Provider, Rule, Secretbox};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schema::{Configuration, ProviderConfiguration};
use std::fmt;
use std::sync::Arc;

/// A configuration that was read and found valid.
pub struct EncryptionConfiguration {
    rules: Vec<Resources>,
}

/// Resources, and how they are encrypted.
struct Resources {
    resources: Vec<String>,
    providers: Vec<Arc<dyn Provider>>,
}

impl fmt::Debug for EncryptionConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.rules.iter().map(|rule| (&rule.resources, &rule.providers))).finish()
    }
}

/// Why a configuration cannot be used: all that is wrong with it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("invalid EncryptionConfiguration: {}", .0.join(", "))]
pub struct Invalid(Vec<String>);

/// One resource of a configuration, as key prefixes are made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// `*.*`: every resource of every group.
    Every,
    /// `*.apps`, or `*.` for the core group: every resource of a group.
    Group(&'a str),
    /// `secrets`, or `deployments.apps`: group and resource.
    One(&'a str, &'a str),
}

impl EncryptionConfiguration {
    /// Reads a configuration, YAML or JSON.
    ///
    /// # Errors
    /// What is wrong with it, each with the path of the field.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let read: Configuration = serde_saphyr::from_str(text).map_err(|error| Invalid(vec![without_text(&error)]))?;
        validation::check(&read)?;
        let rules = read.resources.unwrap_or_default().into_iter().enumerate();
        let rules = rules.map(|(i, resources)| {
            let list = resources.providers.unwrap_or_default().into_iter().enumerate();
            let providers = list.map(|(j, provider)| {
                let path = format!("resources[{i}].providers[{j}]");
                providers(provider).map_err(|why| Invalid(vec![format!("{path}: {why}")]))
            });
            let providers: Vec<Vec<_>> = providers.collect::<Result<_, _>>()?;
            Ok(Resources {
                resources: resources.resources.unwrap_or_default(),
                providers: providers.into_iter().flatten().collect(),
            })
        });
        Ok(Self { rules: rules.collect::<Result<_, Invalid>>()? })
    }

    /// The rules for a store; `prefix` gives the prefix of a resource's keys.
    ///
    /// # Panics
    /// Never: what could not be split was refused.
    pub fn rules(&self, prefix: impl Fn(Resource<'_>) -> String) -> Vec<Rule> {
        let rule = |rule: &Resources| Rule {
            prefixes: rule.resources.iter().map(|resource| prefix(split(resource))).collect(),
            providers: rule.providers.clone(),
        };
        self.rules.iter().map(rule).collect()
    }

    /// The text of a configuration that encrypts Secrets under a new random key, and reads those in plain text.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<String, String> {
        let secret = zeroize::Zeroizing::new(super::key::random::<{ Secretbox::KEY_BYTES }>()?);
        let secret = STANDARD.encode(*secret);
        Ok(format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources:\n  - secrets\n  \
             providers:\n  - secretbox:\n      keys:\n      - name: key1\n        secret: {secret}\n  - identity: {{}}\n"
        ))
    }
}

/// Splits `resource.group`; a name without a dot is of the core group.
fn split(resource: &str) -> Resource<'_> {
    let (name, group) = resource.split_once('.').unwrap_or((resource, ""));
    match (name, group) {
        ("*", "*") => Resource::Every,
        ("*", group) => Resource::Group(group),
        (name, group) => Resource::One(group, name),
    }
}

/// A parser's message may show the lines around the place, and keys are in them.
fn without_text(error: &serde_saphyr::Error) -> String {
    let place = error.location().map(|place| format!(" at line {}, column {}", place.line(), place.column()));
    let what = error.without_snippet().to_string();
    let what = what.lines().next().unwrap_or_default().to_owned();
    if place.as_ref().is_some_and(|place| what.contains(place.as_str())) {
        what
    } else {
        what + &place.unwrap_or_default()
    }
}

/// The providers of one entry: one for each of its keys.
fn providers(provider: ProviderConfiguration) -> Result<Vec<Arc<dyn Provider>>, String> {
    let ProviderConfiguration { aesgcm, aescbc, secretbox, identity, kms } = provider;
    if let Some(kms) = kms {
        return key_service(kms).map(|provider| vec![provider]);
    }
    if identity.is_some() {
        return Ok(vec![Arc::new(Identity)]);
    }
    let mut made: Vec<Arc<dyn Provider>> = Vec::new();
    for key in aesgcm.into_iter().flat_map(schema::Keys::into_keys) {
        made.push(Arc::new(AesGcm::new(&decode(&key)?)?));
    }
    for key in aescbc.into_iter().flat_map(schema::Keys::into_keys) {
        made.push(Arc::new(AesCbc::new(&decode(&key)?)?));
    }
    for key in secretbox.into_iter().flat_map(schema::Keys::into_keys) {
        made.push(Arc::new(Secretbox::new(&decode(&key)?)?));
    }
    Ok(made)
}

#[cfg(all(feature = "kms", unix))]
fn key_service(kms: schema::Kms) -> Result<Arc<dyn Provider>, String> {
    use super::kms::{Kms, socket};
    let timeout = kms.timeout.as_deref().and_then(validation::duration).unwrap_or(socket::DEFAULT_TIMEOUT);
    let service = socket::Socket::new(&kms.endpoint, timeout)?;
    Ok(Arc::new(Kms::new(kms.name, Arc::new(service))))
}

#[cfg(not(all(feature = "kms", unix)))]
fn key_service(_: schema::Kms) -> Result<Arc<dyn Provider>, String> {
    Err("this build has no key management services: they need the feature kms of kubekit-store, and Unix".to_owned())
}

fn decode(key: &schema::KeyText) -> Result<Key, String> {
    let secret = STANDARD.decode(key.secret.as_bytes()).map_err(|_| "secrets must be base64 encoded")?;
    Ok(Key::new(key.name.clone(), secret))
}

#[cfg(test)]
mod tests;
