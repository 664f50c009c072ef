//! Change: what update, patch, apply and the writable subresources share.

use super::create::text;
use super::services::allocation::Allocation;
use super::write::{Commit, Part, Subject};
use super::{Registry, attributes, encode, part};
use crate::admission::{self, AdmissionRequest, Operation};
use crate::options::WriteOptions;
use kubekit_core::field::{Error as FieldError, ErrorKind, Path};
use kubekit_core::status::ApiError;
use kubekit_core::{apply, deletion, meta};
use kubekit_store::{Entry, Precondition};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;

/// What a request makes of a stored object.
#[derive(Debug)]
pub(crate) struct Changed {
    /// The object, in the version of the request.
    pub(crate) object: Value,
    /// Whether managedFields have been brought up to date, as an apply does.
    pub(crate) tracked: bool,
}

/// Whether a change reads or writes managedFields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// It may: they are part of the objects.
    Within,
    /// It does not: they are half of most objects, and stay encoded.
    Apart,
}

/// What the rules made of a change.
enum Prepared {
    /// Nothing is different.
    Unchanged,
    /// This is to be stored, with managedFields that are encoded already.
    Store(Value, Option<Vec<u8>>),
    /// The change ended a deletion.
    Remove(Value, Option<Vec<u8>>),
}

/// The object that a change starts from, and its managedFields where those are kept apart.
#[derive(Clone, Copy)]
struct Stored<'a> {
    object: &'a Value,
    ownership: Ownership,
    record: Option<&'a str>,
}

impl Registry {
    /// Changes an object: reads it, lets `change` make the new one, runs the rules, and stores it where nobody else has
    /// changed it meanwhile; else begins again. A change that names a version fails instead.
    ///
    /// # Errors
    /// What stands against it; 404 where the object does not exist.
    pub(crate) async fn modify(
        &self,
        subject: Subject<'_>,
        options: &WriteOptions,
        ownership: Ownership,
        mut change: impl FnMut(&Value) -> Result<Changed, ApiError>,
    ) -> Result<Arc<Entry>, ApiError> {
        let kind = subject.kind;
        let key = subject.key();
        // Plugins of the builder's may look at everything, and a conversion may need it.
        let ownership = if kind.is_converted() || self.has_foreign_plugins { Ownership::Within } else { ownership };
        loop {
            let Some(entry) = self.entry(&key).await? else {
                return Err(subject.not_found());
            };
            let (old, record) = match ownership {
                Ownership::Within => (encode::decode(&entry), None),
                Ownership::Apart => encode::decode_apart(&entry),
            };
            let stored = Stored { object: &old, ownership, record: record.as_deref().map(RawValue::get) };
            let changed = if kind.is_converted() { change(&kind.to_served(old.clone()))? } else { change(&old)? };
            let (mut new, managed, allocation) = match self.prepare(subject, options, stored, changed).await? {
                (Prepared::Unchanged, _) => return Ok(entry),
                (Prepared::Remove(mut last, managed), allocation) => {
                    let value = encode::encode(&mut last, managed.as_deref());
                    let last = Entry::new(Arc::clone(&entry.key), value, entry.revision, entry.attributes.clone());
                    match self.remove(kind, &last, options.dry_run).await? {
                        Some(removed) => {
                            allocation.forget().await;
                            return Ok(removed);
                        }
                        None => {
                            allocation.give_back().await;
                            continue;
                        }
                    }
                }
                (Prepared::Store(new, managed), allocation) => (new, managed, allocation),
            };
            let precondition = Precondition::Revision(entry.revision);
            let encoded = (encode::encode(&mut new, managed.as_deref()), attributes::of(kind.storage, &new));
            let outcome = self.commit_encoded(kind, &key, encoded, precondition, options.dry_run).await;
            match &outcome {
                Ok(Commit::Refused) => allocation.give_back().await,
                outcome => allocation.settle(outcome).await,
            }
            if let Commit::Done(stored) = outcome? {
                return Ok(stored);
            }
        }
    }

    async fn prepare(
        &self,
        subject: Subject<'_>,
        options: &WriteOptions,
        stored: Stored<'_>,
        changed: Changed,
    ) -> Result<(Prepared, Allocation<'_>), ApiError> {
        let Subject { request, kind, namespace, name, part: what } = subject;
        let rules = kind.storage.rules;
        let old = stored.object;
        let mut object = changed.object;
        subject.check_names(&mut object)?;
        check_version(subject, &mut object, old)?;
        let mut new = kind.to_storage(object);
        meta::prepare_update(&mut new, old);
        keep_ownership(&mut new, old);
        if what == Part::Main {
            rules.default(&mut new);
        }
        part::prepare(what, rules, &mut new, old, self.clock.now());
        if what != Part::Internal {
            let mut admission = AdmissionRequest {
                user: &request.user,
                operation: Operation::Update,
                resource: kind.storage,
                subresource: what.subresource(),
                namespace,
                name,
                object: Some(&mut new),
                old: Some(old),
                dry_run: options.dry_run,
            };
            admission::admit(self, &mut admission).await?;
        }
        part::seal(what, rules, &mut new, old);
        if rules.has_generation() {
            meta::advance_generation(&mut new, old);
        }
        let allocation = match what {
            Part::Main => self.allocate(kind, Some(old), &mut new, options.dry_run).await?,
            _ => Allocation::none(self),
        };
        let mut errors = meta::validate_update(&new["metadata"], &old["metadata"], &Path::new("metadata"));
        errors.append(&mut part::validate(what, rules, &new, old));
        if !errors.is_empty() {
            allocation.give_back().await;
            return Err(subject.invalid(name, &errors));
        }
        if what == Part::Main {
            rules.warnings(&new).into_iter().for_each(|warning| request.warn(warning));
        }
        let changed_beyond_ownership = !equal_but_for_ownership(&new, old);
        let mut managed = None;
        if !changed.tracked && changed_beyond_ownership {
            (new, managed) = self.tracked(subject, options, new, stored);
        } else if !changed_beyond_ownership && same_ownership(&new, old) {
            return Ok((Prepared::Unchanged, allocation));
        } else if stored.ownership == Ownership::Apart {
            // They stay what they are, and were not part of the object.
            managed = stored.record.map(|record| record.as_bytes().to_vec());
        }
        let done = deletion::completes(&new);
        let prepared = if done { Prepared::Remove(new, managed) } else { Prepared::Store(new, managed) };
        Ok((prepared, allocation))
    }

    /// The object with its managedFields brought up to date, in the version of the request; or these apart.
    fn tracked(
        &self,
        subject: Subject<'_>,
        options: &WriteOptions,
        mut new: Value,
        stored: Stored<'_>,
    ) -> (Value, Option<Vec<u8>>) {
        let old = stored.object;
        let kind = subject.kind;
        let api_version = kind.served.api_version();
        let writer = self.writer(&api_version, subject.part, options);
        let schema = kind.served.schema_type();
        if stored.ownership == Ownership::Apart {
            let managed = apply::track_apart(old, &new, stored.record, schema, writer);
            return (new, managed);
        }
        if kind.is_converted() {
            let mut served = kind.to_served(new);
            apply::track(Some(&kind.to_served(old.clone())), &mut served, schema, writer);
            (kind.to_storage(served), None)
        } else {
            apply::track(Some(old), &mut new, schema, writer);
            (new, None)
        }
    }
}

/// Holds the version and uid that the new object names against the stored ones.
fn check_version(subject: Subject<'_>, new: &mut Value, old: &Value) -> Result<(), ApiError> {
    let (stored, given) = (text(&old["metadata"], "resourceVersion"), text(&new["metadata"], "resourceVersion"));
    let (uid, wanted) = (text(&old["metadata"], "uid"), text(&new["metadata"], "uid"));
    if !wanted.is_empty() && wanted != uid {
        return Err(
            subject.conflict(&format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"))
        );
    }
    match given.as_str() {
        "" | "0" => {
            if !subject.kind.storage.rules.allows_unconditional_update() {
                // Go prints the unsigned zero in hexadecimal, and so clients know the text.
                let error = FieldError {
                    kind: ErrorKind::Invalid,
                    path: Path::new("metadata").child("resourceVersion"),
                    message: "Invalid value: 0x0: must be specified for an update".to_owned(),
                };
                return Err(subject.invalid(subject.name, &[error]));
            }
            new["metadata"]["resourceVersion"] = Value::String(stored);
            Ok(())
        }
        given if given == stored => Ok(()),
        given if given.parse::<u64>().is_err() => {
            let path = Path::new("metadata").child("resourceVersion");
            let detail = "must be specified for an update";
            Err(subject.invalid(subject.name, &[FieldError::invalid(&path, &json!(given), detail)]))
        }
        _ => Err(subject.stale()),
    }
}

fn equal_but_for_ownership(new: &Value, old: &Value) -> bool {
    let (Some(new), Some(old)) = (new.as_object(), old.as_object()) else { return false };
    let same = |a: &serde_json::Map<String, Value>, b: &serde_json::Map<String, Value>, skip: &str| {
        let kept = |m: &serde_json::Map<String, Value>| m.len() - usize::from(m.contains_key(skip));
        kept(a) == kept(b) && a.iter().all(|(key, value)| key == skip || b.get(key) == Some(value))
    };
    let metadata =
        match (new.get("metadata").and_then(Value::as_object), old.get("metadata").and_then(Value::as_object)) {
            (Some(new), Some(old)) => same(new, old, "managedFields"),
            _ => false,
        };
    metadata && same(new, old, "metadata")
}

/// A write that says nothing of ownership keeps it; one that says it is empty begins anew.
fn keep_ownership(new: &mut Value, old: &Value) {
    if let (None, Some(managed)) = (new["metadata"].get("managedFields"), old["metadata"].get("managedFields")) {
        new["metadata"]["managedFields"] = managed.clone();
    }
}

/// Whether the same managers own the same fields, at whatever time.
fn same_ownership(new: &Value, old: &Value) -> bool {
    let entries = |object: &Value| object["metadata"].get("managedFields").and_then(Value::as_array).cloned();
    let timeless = |entries: Option<Vec<Value>>| {
        entries
            .unwrap_or_default()
            .into_iter()
            .map(|mut entry| {
                if let Some(entry) = entry.as_object_mut() {
                    entry.remove("time");
                }
                entry
            })
            .collect::<Vec<_>>()
    };
    new["metadata"].get("managedFields") == old["metadata"].get("managedFields")
        || timeless(entries(new)) == timeless(entries(old))
}
