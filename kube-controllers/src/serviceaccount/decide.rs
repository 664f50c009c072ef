//! Which namespaces lack their ServiceAccount.

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kubekit_runtime::Object as _;

/// The ServiceAccount that every namespace has.
pub const DEFAULT: &str = "default";

/// Whether a namespace takes new objects.
pub fn is_active(namespace: &Namespace) -> bool {
    let phase = namespace.status.as_ref().and_then(|s| s.phase.as_deref());
    phase != Some("Terminating") && !namespace.is_being_deleted()
}

/// The ServiceAccount to create, if any.
pub fn decide(namespace: &Namespace, present: bool) -> Option<ServiceAccount> {
    (is_active(namespace) && !present).then(|| ServiceAccount {
        metadata: ObjectMeta {
            name: Some(DEFAULT.into()),
            namespace: namespace.metadata.name.clone(),
            ..ObjectMeta::default()
        },
        ..ServiceAccount::default()
    })
}

#[cfg(test)]
mod tests {
    //! Rows: namespace, present, wanted.

    use super::*;
    use crate::objects::meta;

    #[track_caller]
    fn check(phase: &str, deleting: bool, present: bool, created: bool) {
        let mut namespace = Namespace { metadata: meta("team"), ..Namespace::default() };
        namespace.status.get_or_insert_default().phase = Some(phase.into());
        if deleting {
            namespace.metadata.deletion_timestamp = namespace.metadata.creation_timestamp.clone();
        }
        let account = decide(&namespace, present);
        assert_eq!(account.is_some(), created);
        assert!(account.is_none_or(|a| a.namespace() == "team" && a.name() == "default"));
    }

    #[test]
    fn only_active_namespaces_without_one_get_one() {
        check("Active", false, false, true);
        check("Active", false, true, false);
        check("Terminating", false, false, false);
        check("Active", true, false, false);
    }
}
