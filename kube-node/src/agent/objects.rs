//! The ConfigMaps, Secrets and tokens that pods of this node use, read one by one: a node may not list them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, ServiceAccount, ServiceAccountTokenProjection};
use kubekit_runtime::{Api, Client, Error};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::pod::members::spec_of;
use crate::pod::sources::{Kind, Sources};

/// How long what was read may be used again: pods that start together read an object once.
const FRESH: Duration = Duration::from_secs(2);
/// The most objects kept.
const KEPT_MAX: usize = 512;

#[derive(Clone)]
enum Object {
    ConfigMap(Arc<ConfigMap>),
    Secret(Arc<Secret>),
    Absent,
}

type Key = (Kind, String, String);

/// Reads objects by name, and asks for tokens.
pub(crate) struct Objects {
    client: Client,
    kept: Mutex<BTreeMap<Key, (Instant, Object)>>,
    tokens: Mutex<BTreeMap<TokenKey, Token>>,
}

/// Whose token, for whom, for how long: pod uid, audience, seconds.
type TokenKey = (String, Option<String>, i64);

#[derive(Clone)]
struct Token {
    text: String,
    renew_at: Instant,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Objects").finish_non_exhaustive()
    }
}

impl Objects {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, kept: Mutex::default(), tokens: Mutex::default() }
    }

    /// Reads these objects of a namespace; absent ones are left out.
    pub(crate) async fn sources(&self, namespace: &str, names: &BTreeSet<(Kind, String)>) -> Result<Sources, Error> {
        let mut sources = Sources::default();
        for (kind, name) in names {
            match self.get((*kind, namespace.to_owned(), name.clone())).await? {
                Object::ConfigMap(object) => sources.add_config_map(name, &object),
                Object::Secret(object) => sources.add_secret(name, &object),
                Object::Absent => {}
            }
        }
        Ok(sources)
    }

    /// A Secret, if it exists.
    pub(crate) async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Arc<Secret>>, Error> {
        match self.get((Kind::Secret, namespace.to_owned(), name.to_owned())).await? {
            Object::Secret(secret) => Ok(Some(secret)),
            Object::ConfigMap(_) | Object::Absent => Ok(None),
        }
    }

    async fn get(&self, key: Key) -> Result<Object, Error> {
        let now = Instant::now();
        if let Some((read_at, object)) = self.kept.lock().get(&key)
            && now.duration_since(*read_at) < FRESH
        {
            return Ok(object.clone());
        }
        let (kind, namespace, name) = &key;
        let object = match kind {
            Kind::ConfigMap => Api::<ConfigMap>::namespaced(self.client.clone(), namespace.clone())
                .get_opt(name)
                .await?
                .map(|object| Object::ConfigMap(Arc::new(object))),
            Kind::Secret => Api::<Secret>::namespaced(self.client.clone(), namespace.clone())
                .get_opt(name)
                .await?
                .map(|object| Object::Secret(Arc::new(object))),
        };
        let object = object.unwrap_or(Object::Absent);
        let mut kept = self.kept.lock();
        kept.retain(|_, (read_at, _)| now.duration_since(*read_at) < FRESH);
        if kept.len() < KEPT_MAX && !matches!(object, Object::Absent) {
            kept.insert(key, (now, object.clone()));
        }
        Ok(object)
    }

    /// A token for a pod's service account, bound to the pod. It is used again until 80 % of its life are over, or a day.
    pub(crate) async fn token(&self, pod: &Pod, wanted: &ServiceAccountTokenProjection) -> Result<String, Error> {
        let meta = &pod.metadata;
        let uid = meta.uid.clone().unwrap_or_default();
        let seconds = wanted.expiration_seconds.unwrap_or(3_600);
        let key = (uid.clone(), wanted.audience.clone(), seconds);
        if let Some(token) = self.tokens.lock().get(&key)
            && Instant::now() < token.renew_at
        {
            return Ok(token.text.clone());
        }
        let account = spec_of(pod).service_account_name.clone().unwrap_or_else(|| "default".into());
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(wanted.audience.iter().cloned().collect()),
                expiration_seconds: Some(seconds),
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".into()),
                    kind: Some("Pod".into()),
                    name: meta.name.clone(),
                    uid: Some(uid),
                }),
            }),
            ..TokenRequest::default()
        };
        let namespace = meta.namespace.clone().unwrap_or_default();
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), namespace);
        let answer: TokenRequest = accounts.create_subresource(&account, "token", &request).await?;
        let text = answer.status.and_then(|status| status.token).unwrap_or_default();
        // The server may give less than it was asked for.
        let seconds = answer.spec.and_then(|spec| spec.expiration_seconds).unwrap_or(seconds);
        let life = Duration::from_secs(u64::try_from(seconds).unwrap_or(3_600));
        let renew_at = Instant::now() + (life * 4 / 5).min(Duration::from_secs(24 * 3_600));
        self.tokens.lock().insert(key, Token { text: text.clone(), renew_at });
        Ok(text)
    }

    /// Forgets the tokens of a pod.
    pub(crate) fn forget(&self, uid: &str) {
        self.tokens.lock().retain(|(owner, ..), _| owner != uid);
    }
}

#[cfg(test)]
mod tests;
