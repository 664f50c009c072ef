//! Which namespaces lack the ConfigMap, or have another one.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::serviceaccount::decide::is_active;

/// The ConfigMap's name.
pub const NAME: &str = "kube-root-ca.crt";
/// The key of the certificates in it.
pub const KEY: &str = "ca.crt";
/// The annotation that says what it is for.
const DESCRIPTION: &str = "kubernetes.io/description";
const TEXT: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints \
     such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of \
     Kubernetes clusters.";

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Create it.
    Create(Box<ConfigMap>),
    /// Replace it, under its resourceVersion.
    Update(Box<ConfigMap>),
}

/// Decides what a namespace's ConfigMap needs, so that it holds exactly `ca`, certificates in PEM.
pub fn decide(namespace: &Namespace, current: Option<&ConfigMap>, ca: &str) -> Option<Effect> {
    if !is_active(namespace) {
        return None;
    }
    let data = BTreeMap::from([(KEY.to_owned(), ca.to_owned())]);
    let description = || BTreeMap::from([(DESCRIPTION.to_owned(), TEXT.to_owned())]);
    let Some(current) = current else {
        let metadata = ObjectMeta {
            name: Some(NAME.into()),
            namespace: namespace.metadata.name.clone(),
            annotations: Some(description()),
            ..ObjectMeta::default()
        };
        return Some(Effect::Create(Box::new(ConfigMap { metadata, data: Some(data), ..ConfigMap::default() })));
    };
    let described =
        current.metadata.annotations.as_ref().is_some_and(|a| a.get(DESCRIPTION).is_some_and(|d| d == TEXT));
    if current.data.as_ref() == Some(&data) && described {
        return None;
    }
    let mut restored = current.clone();
    restored.data = Some(data);
    restored.metadata.annotations.get_or_insert_default().extend(description());
    Some(Effect::Update(Box::new(restored)))
}

#[cfg(test)]
mod tests {
    //! Rows: what is there, what is written.

    use super::*;
    use crate::objects::meta;

    fn namespace() -> Namespace {
        Namespace { metadata: meta("team"), ..Namespace::default() }
    }

    #[track_caller]
    fn published() -> ConfigMap {
        match decide(&namespace(), None, "PEM") {
            Some(Effect::Create(map)) => *map,
            other => panic!("no create: {other:?}"),
        }
    }

    #[test]
    fn a_namespace_without_one_gets_one() {
        let map = published();
        assert_eq!(map.metadata.namespace.as_deref(), Some("team"));
        assert_eq!(map.data.unwrap()["ca.crt"], "PEM");
    }

    #[test]
    fn what_is_right_is_left_alone() {
        assert_eq!(decide(&namespace(), Some(&published()), "PEM"), None);
    }

    #[test]
    fn what_was_changed_is_restored() {
        let mut map = published();
        map.data.get_or_insert_default().insert("ca.crt".into(), "evil".into());
        map.metadata.annotations = None;
        let Some(Effect::Update(restored)) = decide(&namespace(), Some(&map), "PEM") else { panic!("no update") };
        assert_eq!(*restored, published());
    }

    #[test]
    fn a_namespace_on_its_way_out_is_left_alone() {
        let mut namespace = namespace();
        namespace.metadata.deletion_timestamp = namespace.metadata.creation_timestamp.clone();
        assert_eq!(decide(&namespace, None, "PEM"), None);
    }
}
