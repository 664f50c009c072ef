//! What creates and changes have in common: whom they are about, their options, and the transaction at their end.

use super::kind::Kind;
use super::{Registry, attributes, encode, failure};
use crate::options::WriteOptions;
use crate::request::Request;
use kubekit_core::apply::Writer;
use kubekit_core::field::Path;
use kubekit_core::meta;
use kubekit_core::status::ApiError;
use kubekit_store::{Attributes, Entry, Op, Precondition, Txn, TxnOutcome, Value as Stored};
use serde_json::Value;
use std::sync::Arc;

/// What a write is about, and who asks for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// The request.
    pub(crate) request: &'a Request,
    /// The kind.
    pub(crate) kind: Kind,
    /// Empty for kinds that live in none.
    pub(crate) namespace: &'a str,
    /// Empty for creates.
    pub(crate) name: &'a str,
    /// What of the object is written.
    pub(crate) part: Part,
}

/// What of an object a write may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All but the status, where that is a part of its own.
    Main,
    /// The status.
    Status,
    /// `spec.finalizers` of a Namespace.
    Finalize,
    /// The conditions of a CertificateSigningRequest.
    Approval,
    /// `spec.ephemeralContainers` of a Pod.
    EphemeralContainers,
    /// The resources of a Pod's containers.
    Resize,
    /// The replicas of a workload, through `Scale`.
    Scale,
    /// Fields that the server itself sets: the binding of a Pod, why it is evicted. Admission plugins do not see these
    /// writes.
    Internal,
}

impl Part {
    /// The name of the subresource.
    pub(crate) fn subresource(self) -> &'static str {
        match self {
            Self::Main | Self::Internal => "",
            Self::Status => "status",
            Self::Finalize => "finalize",
            Self::Approval => "approval",
            Self::EphemeralContainers => "ephemeralcontainers",
            Self::Resize => "resize",
            Self::Scale => "scale",
        }
    }

    /// The part with this subresource's name, where it is one that is written as the object itself.
    pub(crate) fn named(subresource: &str) -> Option<Self> {
        [Self::Main, Self::Status, Self::Finalize, Self::Approval, Self::EphemeralContainers, Self::Resize]
            .into_iter()
            .find(|part| part.subresource() == subresource)
    }
}

impl Subject<'_> {
    /// The key of the object.
    pub(crate) fn key(&self) -> String {
        self.kind.key(self.namespace, self.name)
    }

    /// 404.
    pub(crate) fn not_found(&self) -> ApiError {
        ApiError::not_found(self.kind.served.group, self.kind.served.plural, self.name)
    }

    /// 409, with what stands against it.
    pub(crate) fn conflict(&self, detail: &str) -> ApiError {
        ApiError::conflict(self.kind.served.group, self.kind.served.plural, self.name, detail)
    }

    /// 409 of a write that was based on an old version.
    pub(crate) fn stale(&self) -> ApiError {
        ApiError::stale(self.kind.served.group, self.kind.served.plural, self.name)
    }

    /// 422.
    pub(crate) fn invalid(&self, name: &str, errors: &[kubekit_core::field::Error]) -> ApiError {
        ApiError::invalid(self.kind.served.group, self.kind.served.kind, name, errors)
    }

    /// Checks a new object, in its storage version.
    pub(crate) fn validate(&self, object: &Value) -> Result<(), ApiError> {
        let (storage, path) = (self.kind.storage, Path::new("metadata"));
        let (rules, metadata) = (storage.rules, &object["metadata"]);
        let mut errors = meta::validate(metadata, storage.is_namespaced(), rules.name_rule(), &path);
        errors.append(&mut rules.validate(object));
        if errors.is_empty() {
            return Ok(());
        }
        let name = metadata.get("name").and_then(Value::as_str).unwrap_or_default();
        Err(self.invalid(name, &errors))
    }

    /// Checks the object's name and namespace against those of the request, and fills in what is absent.
    pub(crate) fn check_names(&self, object: &mut Value) -> Result<(), ApiError> {
        let Some(map) = object.as_object_mut() else {
            return Err(ApiError::bad_request("the body of the request is not an object"));
        };
        let metadata = map.entry("metadata").or_insert_with(|| Value::Object(serde_json::Map::new()));
        let text = |field: &str| metadata.get(field).and_then(Value::as_str).unwrap_or_default();
        let (name, namespace) = (text("name"), text("namespace"));
        if !self.name.is_empty() && !name.is_empty() && name != self.name {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                self.name
            )));
        }
        if self.kind.served.is_namespaced() && !namespace.is_empty() && namespace != self.namespace {
            return Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        let fill: [(&str, &str, bool); 2] = [
            ("name", self.name, name.is_empty()),
            ("namespace", self.namespace, namespace.is_empty() && self.kind.served.is_namespaced()),
        ];
        if let Some(metadata) = metadata.as_object_mut() {
            for (field, value, absent) in fill {
                if absent && !value.is_empty() {
                    metadata.insert(field.to_owned(), Value::String(value.to_owned()));
                }
            }
        }
        Ok(())
    }
}

/// What became of a commit.
#[derive(Debug)]
pub(crate) enum Commit {
    /// It is stored, or would be.
    Done(Arc<Entry>),
    /// The precondition did not hold.
    Refused,
}

impl Registry {
    /// Who owns what a request writes.
    pub(crate) fn writer<'a>(&self, api_version: &'a str, part: Part, options: &'a WriteOptions) -> Writer<'a> {
        Writer { manager: &options.manager, api_version, subresource: part.subresource(), now: self.clock.now() }
    }

    /// Encodes an object and stores it; a dry run stops short of that.
    pub(crate) async fn commit(
        &self,
        kind: Kind,
        key: &str,
        object: &mut Value,
        precondition: Precondition,
        dry_run: bool,
    ) -> Result<Commit, ApiError> {
        let value = encode::encode(object, None);
        self.commit_encoded(kind, key, (value, attributes::of(kind.storage, object)), precondition, dry_run).await
    }

    /// Stores an object that has been encoded, with its attributes; a dry run stops short of that.
    pub(crate) async fn commit_encoded(
        &self,
        kind: Kind,
        key: &str,
        (value, attributes): (Stored, Attributes),
        precondition: Precondition,
        dry_run: bool,
    ) -> Result<Commit, ApiError> {
        if dry_run {
            let revision = if let Precondition::Revision(revision) = precondition { revision } else { 0 };
            return Ok(Commit::Done(Arc::new(Entry::new(key.into(), value, revision, attributes))));
        }
        let ttl_seconds = kind.is("", "events").then_some(self.event_ttl_seconds);
        let op = Op::Put { value, attributes: Some(attributes), ttl_seconds };
        match self.store.txn(Txn { key: key.to_owned(), precondition, op }).await {
            Ok(TxnOutcome::Committed { entry: Some(entry), .. }) => Ok(Commit::Done(entry)),
            Ok(TxnOutcome::Committed { entry: None, .. }) => Err(ApiError::internal("a put left nothing behind")),
            Ok(TxnOutcome::Refused { .. }) => Ok(Commit::Refused),
            Err(error) => Err(failure::of_store(error)),
        }
    }

    /// Removes an object; gives it with the revision of its removal, or `None` where it was changed meanwhile.
    pub(crate) async fn remove(
        &self,
        kind: Kind,
        entry: &Entry,
        dry_run: bool,
    ) -> Result<Option<Arc<Entry>>, ApiError> {
        let mut revision = entry.revision;
        if !dry_run {
            // At the version that they have while the object is there: one made after its end stays.
            let claims = self.claims_of_stored(kind, entry).await?;
            let precondition = Precondition::Revision(entry.revision);
            let txn = Txn { key: entry.key.to_string(), precondition, op: Op::Delete };
            match self.store.txn(txn).await.map_err(failure::of_store)? {
                TxnOutcome::Committed { revision: removed, .. } => revision = removed,
                TxnOutcome::Refused { .. } => return Ok(None),
            }
            self.release(claims).await;
        }
        let removed = Entry::new(Arc::clone(&entry.key), entry.value.clone(), revision, entry.attributes.clone());
        Ok(Some(Arc::new(removed)))
    }
}
