//! Create.

use super::kind::Kind;
use super::services::{self, allocation::Allocation};
use super::write::{Commit, Subject};
use super::{Registry, attributes, encode};
use crate::admission::{self, AdmissionRequest, Operation};
use crate::options::WriteOptions;
use kubekit_core::meta::{self, CreateContext};
use kubekit_core::status::ApiError;
use kubekit_core::{apply, names};
use kubekit_store::{Entry, Precondition};
use serde_json::Value;
use std::sync::Arc;

/// How often a generated name is tried, as in Kubernetes.
const NAME_ATTEMPTS: usize = 8;

impl Registry {
    /// Creates an object, given in the version of the request.
    ///
    /// # Errors
    /// What stands against it.
    pub(crate) async fn create(
        &self,
        subject: Subject<'_>,
        mut object: Value,
        options: &WriteOptions,
    ) -> Result<Arc<Entry>, ApiError> {
        subject.check_names(&mut object)?;
        let schema = subject.kind.served.schema_type();
        let api_version = text(&object, "apiVersion");
        let object = self.create_tracked(subject, object, options, |object, registry| {
            let writer = registry.writer(&api_version, subject.part, options);
            apply::track_new(object, schema, writer)
        });
        object.await
    }

    /// Creates an object whose managedFields `track` brings up to date, or gives encoded.
    pub(crate) async fn create_tracked(
        &self,
        subject: Subject<'_>,
        mut object: Value,
        options: &WriteOptions,
        track: impl FnOnce(&mut Value, &Self) -> Option<Vec<u8>>,
    ) -> Result<Arc<Entry>, ApiError> {
        let Subject { request, kind, namespace, .. } = subject;
        let rules = kind.storage.rules;
        let generate = generated(&object);
        let context = CreateContext {
            namespace,
            has_generation: rules.has_generation(),
            now: self.clock.now(),
            random: &*self.random,
        };
        meta::prepare_create(&mut object, &context)?;
        let mut object = kind.to_storage(object);
        rules.default(&mut object);
        let name = if generate.is_some() { String::new() } else { text(&object["metadata"], "name") };
        let mut admission = AdmissionRequest {
            user: &request.user,
            operation: Operation::Create,
            resource: kind.storage,
            subresource: subject.part.subresource(),
            namespace,
            name: &name,
            object: Some(&mut object),
            old: None,
            dry_run: options.dry_run,
        };
        admission::admit(self, &mut admission).await?;
        rules.prepare_create(&mut object);
        if services::is_service(kind) {
            // Nothing is claimed for what will be refused anyway.
            subject.validate(&self.ranges.foreseen(&object))?;
        }
        let mut allocation = self.allocate(kind, None, &mut object, options.dry_run).await?;
        if let Err(error) = subject.validate(&object) {
            allocation.give_back().await;
            return Err(error);
        }
        for warning in rules.warnings_of_create(&object) {
            request.warn(warning);
        }
        let managed = if kind.is_converted() {
            // Fields are owned in the version in which they were written.
            let mut served = kind.to_served(object);
            let managed = track(&mut served, self);
            object = kind.to_storage(served);
            managed
        } else {
            track(&mut object, self)
        };
        let new = New { kind, namespace, managed, generate: generate.as_deref(), dry_run: options.dry_run };
        let created = self.store_new(new, &mut object, &mut allocation).await;
        allocation.settle(&created).await;
        created
    }

    async fn store_new(
        &self,
        new: New<'_>,
        object: &mut Value,
        allocation: &mut Allocation<'_>,
    ) -> Result<Arc<Entry>, ApiError> {
        let New { kind, namespace, managed, generate, dry_run } = new;
        for _ in 0..NAME_ATTEMPTS {
            let name = text(&object["metadata"], "name");
            let key = kind.key(namespace, &name);
            if dry_run && self.entry(&key).await?.is_some() {
                return Err(already_exists(kind, &name, generate.is_some()));
            }
            let encoded = (encode::encode(object, managed.as_deref()), attributes::of(kind.storage, object));
            match self.commit_encoded(kind, &key, encoded, Precondition::Absent, dry_run).await? {
                Commit::Done(entry) => return Ok(entry),
                Commit::Refused => match generate {
                    Some(base) => {
                        let name = names::generate(base, &*self.random);
                        allocation.rename(&name).await?;
                        object["metadata"]["name"] = Value::String(name);
                    }
                    None => return Err(already_exists(kind, &name, false)),
                },
            }
        }
        Err(already_exists(kind, &text(&object["metadata"], "name"), true))
    }
}

/// A new object on its way into the store.
struct New<'a> {
    kind: Kind,
    namespace: &'a str,
    /// Its managedFields, where they are encoded already.
    managed: Option<Vec<u8>>,
    /// The base of its name, where that was generated.
    generate: Option<&'a str>,
    dry_run: bool,
}

fn already_exists(kind: Kind, name: &str, generated: bool) -> ApiError {
    let mut error = ApiError::already_exists(kind.served.group, kind.served.plural, name);
    if generated {
        error.message.push_str(", the server was not able to generate a unique name for the object");
        error.details.retry_after_seconds = 1;
    }
    error
}

/// The base of the name, where it is to be generated.
fn generated(object: &Value) -> Option<String> {
    let metadata = object.get("metadata")?;
    let named = metadata.get("name").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    let base = metadata.get("generateName").and_then(Value::as_str).filter(|base| !base.is_empty());
    base.filter(|_| !named).map(str::to_owned)
}

/// A text field; empty where absent.
pub(crate) fn text(object: &Value, field: &str) -> String {
    object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}
