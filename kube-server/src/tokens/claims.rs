//! What a token says.

use super::Refusal;
use crate::identity::UserInfo;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A reference to an object by name and uid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundTo {
    /// Name.
    pub name: String,
    /// Uid; the object must still have it.
    pub uid: String,
}

/// The private claims of Kubernetes, under `kubernetes.io`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kubernetes {
    /// Namespace of the service account.
    pub namespace: String,
    /// The node on which the pod ran, or that the token is bound to by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<BoundTo>,
    /// The pod that the token is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<BoundTo>,
    /// The secret that the token is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<BoundTo>,
    /// The service account.
    pub serviceaccount: BoundTo,
}

impl Kubernetes {
    /// `system:serviceaccount:NAMESPACE:NAME`
    pub fn user_name(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.serviceaccount.name)
    }
}

/// Whom a token is for: RFC 7519 allows one or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// Several.
    Many(Vec<String>),
    /// One.
    One(String),
}

/// What a token says. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Whom it is for.
    pub aud: Audience,
    /// When it ends.
    pub exp: i64,
    /// When it was issued.
    #[serde(default)]
    pub iat: i64,
    /// Who issued it.
    pub iss: String,
    /// Its id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub jti: String,
    /// Whom it is about.
    #[serde(rename = "kubernetes.io")]
    pub kubernetes: Kubernetes,
    /// When it begins.
    #[serde(default)]
    pub nbf: i64,
    /// `system:serviceaccount:NAMESPACE:NAME`
    pub sub: String,
}

impl Claims {
    /// Whether the token is good at `now` for one of `audiences`.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, now: Timestamp, audiences: &[String]) -> Result<(), Refusal> {
        let now = now.as_second();
        if now >= self.exp {
            return Err(Refusal::Expired);
        }
        if now < self.nbf {
            return Err(Refusal::NotYetValid);
        }
        let meant = match &self.aud {
            Audience::One(audience) => audiences.contains(audience),
            Audience::Many(many) => many.iter().any(|audience| audiences.contains(audience)),
        };
        if meant { Ok(()) } else { Err(Refusal::Audience) }
    }

    /// The user that the token makes of its bearer.
    pub fn user(&self) -> UserInfo {
        let kubernetes = &self.kubernetes;
        let mut extra = BTreeMap::new();
        let mut note = |key: &str, value: String| {
            extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value]);
        };
        if !self.jti.is_empty() {
            note("credential-id", format!("JTI={}", self.jti));
        }
        for (what, bound) in [("node", &kubernetes.node), ("pod", &kubernetes.pod)] {
            if let Some(bound) = bound {
                note(&format!("{what}-name"), bound.name.clone());
                note(&format!("{what}-uid"), bound.uid.clone());
            }
        }
        UserInfo {
            name: kubernetes.user_name(),
            uid: kubernetes.serviceaccount.uid.clone(),
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{}", kubernetes.namespace),
                "system:authenticated".to_owned(),
            ],
            extra,
        }
    }
}
