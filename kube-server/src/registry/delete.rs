//! Delete, and delete of a collection.

use super::kind::Kind;
use super::write::{Commit, Part, Subject};
use super::{Registry, encode, failure};
use crate::admission::{self, AdmissionRequest, Operation};
use crate::options::ListOptions;
use kubekit_core::deletion::{self, Decision, Options};
use kubekit_core::status::ApiError;
use kubekit_store::{Entry, ListRequest, Precondition, ReadAt};
use std::sync::Arc;

/// What became of a delete.
#[derive(Debug)]
pub(crate) struct Deleted {
    /// The last version: the one removed, or the one that waits for its end.
    pub(crate) entry: Arc<Entry>,
    /// Whether it is gone.
    pub(crate) gone: bool,
}

impl Registry {
    /// Deletes an object: at once, or by marking it for those who must do something first.
    ///
    /// # Errors
    /// What stands against it; 404 where it does not exist.
    pub(crate) async fn delete(&self, subject: Subject<'_>, options: &Options) -> Result<Deleted, ApiError> {
        let Subject { request, kind, namespace, name, part } = subject;
        let rules = kind.storage.rules;
        let key = subject.key();
        loop {
            let Some(entry) = self.entry(&key).await? else {
                return Err(subject.not_found());
            };
            let old = encode::decode(&entry);
            options.check_preconditions(&old, kind.served.group)?;
            if part != Part::Internal {
                let mut admission = AdmissionRequest {
                    user: &request.user,
                    operation: Operation::Delete,
                    resource: kind.storage,
                    subresource: "",
                    namespace,
                    name,
                    object: None,
                    old: Some(&old),
                    dry_run: options.dry_run,
                };
                admission::admit(self, &mut admission).await?;
            }
            match deletion::decide(&old, options, rules, self.clock.now()) {
                Decision::Unchanged => return Ok(Deleted { entry, gone: false }),
                Decision::Mark(mut marked) => {
                    let precondition = Precondition::Revision(entry.revision);
                    match self.commit(kind, &key, &mut marked, precondition, options.dry_run).await? {
                        Commit::Done(entry) => return Ok(Deleted { entry, gone: false }),
                        Commit::Refused => {}
                    }
                }
                Decision::Remove => {
                    if let Some(entry) = self.remove(kind, &entry, options.dry_run).await? {
                        return Ok(Deleted { entry, gone: true });
                    }
                }
            }
        }
    }

    /// Deletes what the selectors select; gives the last versions.
    ///
    /// # Errors
    /// What stands against the first that cannot be deleted.
    pub(crate) async fn delete_collection(
        &self,
        subject: Subject<'_>,
        list: &ListOptions,
        options: &Options,
    ) -> Result<Vec<Arc<Entry>>, ApiError> {
        let kind = subject.kind;
        let request = ListRequest {
            prefix: kind.prefix(subject.namespace),
            after: None,
            limit: list.limit,
            at: ReadAt::Latest,
            selector: super::selector::of(kind, &list.labels, &list.fields)?,
        };
        let listing = self.store.list(request).await.map_err(failure::of_store)?;
        let entries: Vec<Arc<Entry>> = listing.entries.collect();
        for entry in &entries {
            let attributes = &entry.attributes;
            let part = |field: &str| attributes.get(field).unwrap_or_default();
            let one =
                Subject { namespace: part("field:metadata.namespace"), name: part("field:metadata.name"), ..subject };
            match self.delete(one, options).await {
                Err(error) if error.reason == kubekit_core::status::Reason::NotFound => {}
                other => drop(other?),
            }
        }
        Ok(entries)
    }
}

/// Kinds whose delete answers with the object instead of a Status. Source: `ReturnDeletedObject` of the registries.
pub(crate) fn returns_object(kind: Kind) -> bool {
    matches!(
        (kind.storage.group, kind.storage.plural),
        ("", "pods" | "services" | "serviceaccounts" | "persistentvolumes" | "persistentvolumeclaims")
            | ("", "podtemplates" | "resourcequotas")
            | ("storage.k8s.io", "storageclasses" | "volumeattachments" | "csinodes" | "csidrivers")
    )
}
