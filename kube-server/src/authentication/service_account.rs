//! Service account tokens: signed by the issuer, in their time, for this server, and bound to objects that still exist.
//!
//! Source: `pkg/serviceaccount/claims.go` and `pkg/serviceaccount/jwt.go`.

use super::{Authenticator, bearer};
use crate::identity::UserInfo;
use crate::keys;
use crate::tokens::{BoundTo, Claims, Issuer};
use async_trait::async_trait;
use jiff::Timestamp;
use kubekit_core::environment::WallClock;
use kubekit_core::status::ApiError;
use kubekit_store::{ReadAt, Store};
use parking_lot::Mutex;
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Verified signatures that are remembered. Time, audience and bound objects are looked at on every request.
const REMEMBERED_MAX: usize = 4096;
/// A token stays good for this long after the object that it is bound to has begun to be deleted, so that a pod can
/// finish its work. Kubernetes' figure.
const DELETION_LEEWAY_SECONDS: i64 = 60;

/// Knows service accounts by their tokens.
pub struct ServiceAccountTokens {
    issuer: Arc<Issuer>,
    store: Arc<dyn Store>,
    clock: Arc<dyn WallClock>,
    remembered: Mutex<HashMap<[u8; 32], Arc<Claims>>>,
}

impl fmt::Debug for ServiceAccountTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccountTokens").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// What must be known of an object that a token is bound to.
#[derive(Deserialize)]
struct Bound {
    metadata: BoundMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BoundMetadata {
    #[serde(default)]
    uid: String,
    deletion_timestamp: Option<String>,
}

impl ServiceAccountTokens {
    /// Accepts tokens of `issuer` whose objects are in `store`.
    pub fn new(issuer: Arc<Issuer>, store: Arc<dyn Store>, clock: Arc<dyn WallClock>) -> Self {
        Self { issuer, store, clock, remembered: Mutex::default() }
    }

    /// The user of a token that is meant for one of `audiences`, and those of them that it is meant for.
    ///
    /// # Errors
    /// 401 when the token is not good; 500 when the store cannot be read.
    pub async fn review(&self, token: &str, audiences: &[String]) -> Result<(UserInfo, Vec<String>), ApiError> {
        let claims = self.claims(token).map_err(|refusal| {
            tracing::debug!(%refusal, "service account token refused");
            ApiError::unauthorized()
        })?;
        let now = self.clock.now();
        claims.check(now, audiences).map_err(|refusal| {
            tracing::debug!(%refusal, subject = claims.sub, "service account token refused");
            ApiError::unauthorized()
        })?;
        let kubernetes = &claims.kubernetes;
        let bound = [
            ("serviceaccounts", Some(&kubernetes.serviceaccount)),
            ("pods", kubernetes.pod.as_ref()),
            ("secrets", kubernetes.secret.as_ref()),
            // A pod's token carries its node for information; only a token bound to the node itself ends with it.
            ("nodes", kubernetes.node.as_ref().filter(|_| kubernetes.pod.is_none())),
        ];
        for (resource, object) in bound {
            if let Some(object) = object
                && !self.exists(resource, &kubernetes.namespace, object, now).await?
            {
                tracing::debug!(
                    resource,
                    name = object.name,
                    subject = claims.sub,
                    "token bound to an object that is gone"
                );
                return Err(ApiError::unauthorized());
            }
        }
        let meant = match &claims.aud {
            crate::tokens::Audience::One(one) => std::slice::from_ref(one),
            crate::tokens::Audience::Many(many) => many,
        };
        Ok((claims.user(), audiences.iter().filter(|a| meant.contains(a)).cloned().collect()))
    }

    fn claims(&self, token: &str) -> Result<Arc<Claims>, crate::tokens::Refusal> {
        let key = bearer::digest(token.as_bytes());
        if let Some(claims) = self.remembered.lock().get(&key) {
            return Ok(Arc::clone(claims));
        }
        let claims = Arc::new(self.issuer.verify(token)?);
        let mut remembered = self.remembered.lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(key, Arc::clone(&claims));
        Ok(claims)
    }

    async fn exists(
        &self,
        resource: &str,
        namespace: &str,
        object: &BoundTo,
        now: Timestamp,
    ) -> Result<bool, ApiError> {
        let namespace = if resource == "nodes" { "" } else { namespace };
        let key = keys::object_key("", resource, namespace, &object.name);
        let found = self.store.get(&key, ReadAt::Latest).await.map_err(ApiError::internal)?;
        let Some(entry) = found else { return Ok(false) };
        let Ok(bound) = serde_json::from_slice::<Bound>(&entry.value.bytes) else { return Ok(false) };
        let deleted = bound.metadata.deletion_timestamp.and_then(|time| time.parse::<Timestamp>().ok());
        let gone = deleted.is_some_and(|t| now.as_second() > t.as_second().saturating_add(DELETION_LEEWAY_SECONDS));
        Ok(!gone && bound.metadata.uid == object.uid)
    }
}

#[async_trait]
impl Authenticator for ServiceAccountTokens {
    async fn authenticate(&self, request: &http::request::Parts) -> Result<Option<UserInfo>, ApiError> {
        match bearer::token(request) {
            None => Ok(None),
            Some(token) => Ok(Some(self.review(&token, self.issuer.audiences()).await?.0)),
        }
    }
}
