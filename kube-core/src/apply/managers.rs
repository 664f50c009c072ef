//! The entries of managedFields.

use super::Writer;
use super::set::Set;
use crate::decode::format_time;
use serde_json::{Value, json};

/// More managers than these that update share one entry, so that the record stays bounded.
const UPDATERS_MAX: usize = 10;
/// The name of that entry.
const ANCIENT: &str = "ancient-changes";

/// How a manager came to own fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// Who owns: entries of one identity are one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) operation: Operation,
    pub(super) manager: String,
    /// Empty for applies, which keep their identity across versions.
    pub(super) api_version: String,
    pub(super) subresource: String,
}

impl Identity {
    pub(super) fn new(writer: Writer<'_>, operation: Operation) -> Self {
        Self {
            operation,
            manager: writer.manager.to_owned(),
            api_version: if operation == Operation::Apply { String::new() } else { writer.api_version.to_owned() },
            subresource: writer.subresource.to_owned(),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) identity: Identity,
    pub(super) api_version: String,
    time: String,
    pub(super) set: Set,
}

impl Entry {
    fn read(entry: &Value) -> Option<Self> {
        let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        let operation = match text("operation").as_str() {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        let api_version = text("apiVersion");
        let identity = Identity {
            operation,
            manager: text("manager"),
            api_version: if operation == Operation::Apply { String::new() } else { api_version.clone() },
            subresource: text("subresource"),
        };
        let set = match &entry["fieldsV1"] {
            Value::Null => Set::default(),
            fields => Set::from_fields(fields)?,
        };
        Some(Self { identity, api_version, time: text("time"), set })
    }

    fn write(&self) -> Value {
        let operation = match self.identity.operation {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        };
        let mut entry = json!({"manager": self.identity.manager, "operation": operation, "apiVersion": self.api_version,
            "fieldsType": "FieldsV1", "fieldsV1": self.set.to_fields()});
        for (field, value) in [("time", &self.time), ("subresource", &self.identity.subresource)] {
            if !value.is_empty() {
                entry[field] = json!(value);
            }
        }
        entry
    }
}

/// All entries of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Managers {
    pub(super) entries: Vec<Entry>,
}

impl Managers {
    /// Reads the entries; those that cannot be read are dropped.
    pub(super) fn read(entries: &Value) -> Self {
        Self { entries: entries.as_array().into_iter().flatten().filter_map(Entry::read).collect() }
    }

    /// The entries that an update starts from. Clients may change the record itself, reset it with one empty entry, and
    /// lose nothing by leaving it out.
    pub(super) fn of_update(new: &Value, live: &Value, writer: Writer<'_>) -> Self {
        if *new == json!([{}]) && writer.subresource.is_empty() {
            return Self::default();
        }
        let given = Self::read(new);
        let readable = new.as_array().is_some_and(|list| list.len() == given.entries.len());
        if given.entries.is_empty() || !readable || !writer.subresource.is_empty() { Self::read(live) } else { given }
    }

    /// Everything that anybody owns.
    pub(super) fn union(&self) -> Set {
        let mut all = Set::default();
        self.entries.iter().for_each(|entry| all.union(&entry.set));
        all
    }

    /// Others than `me` lose what was changed; everybody loses what was removed.
    pub(super) fn release(&mut self, me: &Identity, changed: &Set, removed: &Set) {
        for entry in &mut self.entries {
            if entry.identity != *me {
                entry.set.subtract(changed);
            }
            entry.set.subtract(removed);
        }
        self.entries.retain(|entry| !entry.set.is_empty());
    }

    /// `me` owns `changed` too.
    pub(super) fn take(&mut self, me: Identity, changed: Set, writer: Writer<'_>) {
        let now = format_time(writer.now);
        match self.entries.iter_mut().find(|entry| entry.identity == me) {
            Some(entry) => {
                let before = entry.set.clone();
                entry.set.union(&changed);
                if entry.set != before {
                    entry.time = now;
                }
            }
            None if changed.is_empty() => {}
            None => {
                let api_version = writer.api_version.to_owned();
                self.entries.push(Entry { identity: me, api_version, time: now, set: changed });
            }
        }
    }

    /// `me` owns exactly `applied`; its former set comes back.
    pub(super) fn replace(&mut self, me: &Identity, applied: Set, writer: Writer<'_>) -> Set {
        let now = format_time(writer.now);
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.identity == *me) {
            if entry.set != applied || entry.api_version != writer.api_version {
                writer.api_version.clone_into(&mut entry.api_version);
                entry.time = now;
            }
            return std::mem::replace(&mut entry.set, applied);
        }
        let api_version = writer.api_version.to_owned();
        self.entries.push(Entry { identity: me.clone(), api_version, time: now, set: applied });
        Set::default()
    }

    /// Joins the oldest entries of updates until few enough are left.
    pub(super) fn cap(&mut self) {
        self.sort();
        let first = self.entries.iter().position(|entry| entry.identity.operation == Operation::Update);
        let Some(first) = first else { return };
        while self.entries.len() - first > UPDATERS_MAX {
            let oldest = self.entries.remove(first);
            let ancient = self.entries[first..].iter_mut().find(|entry| entry.identity.manager == ANCIENT);
            match ancient {
                Some(entry) if oldest.identity.manager != ANCIENT => entry.set.union(&oldest.set),
                _ => {
                    let second = &mut self.entries[first];
                    ANCIENT.clone_into(&mut second.identity.manager);
                    second.identity.subresource.clear();
                    second.set.union(&oldest.set);
                }
            }
        }
    }

    fn sort(&mut self) {
        self.entries.sort_by(|a, b| {
            let key = |entry: &Entry| (entry.identity.operation, entry.time.clone());
            let rest = |entry: &Entry| {
                (entry.identity.manager.clone(), entry.api_version.clone(), entry.identity.subresource.clone())
            };
            key(a).cmp(&key(b)).then_with(|| rest(a).cmp(&rest(b)))
        });
    }

    /// Writes the entries into an object.
    pub(super) fn write(mut self, object: &mut Value) {
        self.entries.retain(|entry| !entry.set.is_empty());
        self.sort();
        let Some(object) = object.as_object_mut() else { return };
        let metadata = object.entry("metadata").or_insert_with(|| json!({}));
        let Some(metadata) = metadata.as_object_mut() else { return };
        if self.entries.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), self.entries.iter().map(Entry::write).collect());
        }
    }
}
