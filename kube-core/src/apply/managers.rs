//! The entries of managedFields.

use super::Writer;
use super::set::Set;
use super::text;
use crate::decode::format_time;
use crate::encode;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

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

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Apply, Self::Update].into_iter().find(|operation| operation.name() == name)
    }
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

/// One manager's fields: as they came, until something must be known of them. Most writes touch few managers' fields,
/// and reading all of them would cost more than the rest of the write.
#[derive(Clone, Debug)]
enum Fields {
    Unread(Value),
    /// As stored: in the form that this module writes.
    Text(Box<RawValue>),
    Read(Set),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) identity: Identity,
    pub(super) api_version: String,
    time: String,
    fields: Fields,
}

impl Entry {
    /// The fields that it owns.
    pub(super) fn set(&self) -> Cow<'_, Set> {
        match &self.fields {
            Fields::Unread(fields) => Cow::Owned(Set::from_fields(fields).unwrap_or_default()),
            Fields::Text(fields) => Cow::Owned(text::read(fields.get()).unwrap_or_default()),
            Fields::Read(set) => Cow::Borrowed(set),
        }
    }

    fn set_mut(&mut self) -> &mut Set {
        if let Cow::Owned(set) = self.set() {
            self.fields = Fields::Read(set);
        }
        match &mut self.fields {
            Fields::Read(set) => set,
            Fields::Unread(_) | Fields::Text(_) => unreachable!("it was read above"),
        }
    }

    /// Returns whether any of the paths was new.
    fn add(&mut self, other: &Set) -> bool {
        match &self.fields {
            Fields::Unread(fields) if other.is_within(fields) => false,
            _ => self.set_mut().union(other),
        }
    }

    fn is_empty(&self) -> bool {
        match &self.fields {
            Fields::Unread(fields) => fields.as_object().is_none_or(Map::is_empty),
            Fields::Text(fields) => fields.get() == "{}",
            Fields::Read(set) => set.is_empty(),
        }
    }

    fn subtract(&mut self, other: &Set) {
        let meets = match &self.fields {
            Fields::Unread(fields) => other.meets(fields),
            Fields::Text(fields) => text::meets(other, fields.get()),
            Fields::Read(_) => true,
        };
        if meets {
            self.set_mut().subtract(other);
        }
    }

    /// Reads an entry whose fields are known to be in the form that this module writes.
    fn read(mut entry: Value) -> Option<Self> {
        let fields = entry["fieldsV1"].take();
        let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        let operation = Operation::named(&text("operation"))?;
        let api_version = text("apiVersion");
        let identity = Identity {
            operation,
            manager: text("manager"),
            api_version: if operation == Operation::Apply { String::new() } else { api_version.clone() },
            subresource: text("subresource"),
        };
        Some(Self { identity, api_version, time: text("time"), fields: Fields::Unread(fields) })
    }

    /// Appends the entry as it is stored.
    fn append(&self, out: &mut Vec<u8>) {
        let Identity { operation, manager, subresource, .. } = &self.identity;
        let head = Head { api_version: &self.api_version, manager, operation: *operation, subresource };
        head.append(&self.time, out, |out| match &self.fields {
            Fields::Unread(fields) => encode::value(fields, out),
            Fields::Text(fields) => out.extend_from_slice(fields.get().as_bytes()),
            Fields::Read(set) => text::append(set, out),
        });
    }

    fn write(self) -> Value {
        let operation = self.identity.operation.name();
        let fields = match self.fields {
            Fields::Unread(fields) => fields,
            Fields::Text(_) => self.set().into_owned().into_fields(),
            Fields::Read(set) => set.into_fields(),
        };
        let texts = [
            ("apiVersion", self.api_version),
            ("fieldsType", "FieldsV1".to_owned()),
            ("manager", self.identity.manager),
            ("operation", operation.to_owned()),
            ("subresource", self.identity.subresource),
            ("time", self.time),
        ];
        let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
        let mut entry: Map<String, Value> = texts.map(|(field, text)| (field.to_owned(), text.into())).collect();
        entry.insert("fieldsV1".to_owned(), fields);
        Value::Object(entry)
    }
}

/// What an entry says beside its fields.
pub(super) struct Head<'a> {
    pub(super) api_version: &'a str,
    pub(super) manager: &'a str,
    pub(super) operation: Operation,
    pub(super) subresource: &'a str,
}

impl Head<'_> {
    /// Appends an entry whose field set `fields` appends; the entry's own fields come in the order of their names.
    pub(super) fn append<T>(&self, time: &str, out: &mut Vec<u8>, fields: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        out.push(b'{');
        append_text("apiVersion", self.api_version, out);
        out.extend_from_slice(b"\"fieldsType\":\"FieldsV1\",\"fieldsV1\":");
        let appended = fields(out);
        out.push(b',');
        append_text("manager", self.manager, out);
        append_text("operation", self.operation.name(), out);
        append_text("subresource", self.subresource, out);
        append_text("time", time, out);
        out.pop();
        out.push(b'}');
        appended
    }
}

/// Appends a field and a comma, unless the text is empty.
fn append_text(field: &str, text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() {
        encode::text(field, out);
        out.push(b':');
        encode::text(text, out);
        out.push(b',');
    }
}

/// An entry as it is stored.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Stored {
    api_version: String,
    #[serde(rename = "fieldsV1")]
    fields: Option<Box<RawValue>>,
    manager: String,
    operation: String,
    subresource: String,
    time: String,
}

impl Stored {
    fn read(self) -> Option<Entry> {
        let Self { api_version, fields, manager, operation, subresource, time } = self;
        let operation = Operation::named(&operation)?;
        let of_identity = if operation == Operation::Apply { String::new() } else { api_version.clone() };
        let identity = Identity { operation, manager, api_version: of_identity, subresource };
        let fields = fields.map_or(Fields::Unread(Value::Null), Fields::Text);
        Some(Entry { identity, api_version, time, fields })
    }
}

/// All entries of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Managers {
    pub(super) entries: Vec<Entry>,
}

impl Managers {
    /// Reads the record of a stored object; entries that cannot be read are dropped.
    pub(super) fn read(entries: Value) -> Self {
        let entries = match entries {
            Value::Array(entries) => entries,
            _ => Vec::new(),
        };
        Self { entries: entries.into_iter().filter_map(Entry::read).collect() }
    }

    /// Reads the record of a stored object from its text; entries that cannot be read are dropped.
    pub(super) fn of_text(record: &str) -> Self {
        let entries: Vec<Stored> = serde_json::from_str(record).unwrap_or_default();
        Self { entries: entries.into_iter().filter_map(Stored::read).collect() }
    }

    /// The record as it is stored; `None` where it is empty.
    pub(super) fn encode(mut self) -> Option<Vec<u8>> {
        self.entries.retain(|entry| !entry.is_empty());
        self.sort();
        if self.entries.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(2048);
        out.push(b'[');
        for (i, entry) in self.entries.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            entry.append(&mut out);
        }
        out.push(b']');
        Some(out)
    }

    /// Takes the record that an update starts from out of the new object. Clients may change the record itself, reset it
    /// with one empty entry, and lose nothing by leaving it out.
    pub(super) fn of_update(new: &mut Value, live: &Value, writer: Writer<'_>) -> Self {
        let given =
            new.get_mut("metadata").and_then(|m| m.get_mut("managedFields")).map(Value::take).unwrap_or_default();
        let live = &live["metadata"]["managedFields"];
        if given == *live {
            return Self::read(given);
        }
        if given == json!([{}]) && writer.subresource.is_empty() {
            return Self::default();
        }
        match Self::read_foreign(given) {
            Some(given) if writer.subresource.is_empty() && !given.entries.is_empty() => given,
            _ => Self::read(live.clone()),
        }
    }

    /// Reads a record that a client wrote, whose every field set is brought into this module's form.
    fn read_foreign(entries: Value) -> Option<Self> {
        let Value::Array(entries) = entries else { return None };
        let read = |entry: Value| {
            let mut entry = Entry::read(entry)?;
            if let Fields::Unread(fields) = &entry.fields {
                entry.fields = Fields::Read(Set::from_fields(fields)?);
            }
            Some(entry)
        };
        Some(Self { entries: entries.into_iter().map(read).collect::<Option<_>>()? })
    }

    /// Everything that anybody owns.
    pub(super) fn union(&self) -> Set {
        let mut all = Set::default();
        for entry in &self.entries {
            all.union(&entry.set());
        }
        all
    }

    /// Others than `me` lose what was changed; everybody loses what was removed.
    pub(super) fn release(&mut self, me: &Identity, changed: &Set, removed: &Set) {
        for entry in &mut self.entries {
            if entry.identity != *me {
                entry.subtract(changed);
            }
            entry.subtract(removed);
        }
        self.entries.retain(|entry| !entry.is_empty());
    }

    /// `me` owns `changed` too.
    pub(super) fn take(&mut self, me: Identity, changed: Set, writer: Writer<'_>) {
        if changed.is_empty() {
            return;
        }
        let now = format_time(writer.now);
        match self.entries.iter_mut().find(|entry| entry.identity == me) {
            Some(entry) => {
                if entry.add(&changed) {
                    entry.time = now;
                }
            }
            None => {
                let api_version = writer.api_version.to_owned();
                self.entries.push(Entry { identity: me, api_version, time: now, fields: Fields::Read(changed) });
            }
        }
    }

    /// `me` owns exactly `applied`; its former set comes back.
    pub(super) fn replace(&mut self, me: &Identity, applied: Set, writer: Writer<'_>) -> Set {
        let now = format_time(writer.now);
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.identity == *me) {
            if *entry.set() != applied || entry.api_version != writer.api_version {
                writer.api_version.clone_into(&mut entry.api_version);
                entry.time = now;
            }
            return std::mem::replace(entry.set_mut(), applied);
        }
        let api_version = writer.api_version.to_owned();
        self.entries.push(Entry { identity: me.clone(), api_version, time: now, fields: Fields::Read(applied) });
        Set::default()
    }

    /// Joins the oldest entries of updates until few enough are left.
    pub(super) fn cap(&mut self) {
        if self.entries.len() <= UPDATERS_MAX {
            return;
        }
        self.sort();
        let first = self.entries.iter().position(|entry| entry.identity.operation == Operation::Update);
        let Some(first) = first else { return };
        while self.entries.len() - first > UPDATERS_MAX {
            let oldest = self.entries.remove(first);
            let ancient = self.entries[first..].iter_mut().find(|entry| entry.identity.manager == ANCIENT);
            match ancient {
                Some(entry) if oldest.identity.manager != ANCIENT => {
                    entry.add(&oldest.set());
                }
                _ => {
                    let second = &mut self.entries[first];
                    ANCIENT.clone_into(&mut second.identity.manager);
                    second.identity.subresource.clear();
                    second.add(&oldest.set());
                }
            }
        }
    }

    fn sort(&mut self) {
        self.entries.sort_by(|a, b| {
            let by_time = (a.identity.operation, &a.time).cmp(&(b.identity.operation, &b.time));
            by_time
                .then_with(|| a.identity.manager.cmp(&b.identity.manager))
                .then_with(|| a.api_version.cmp(&b.api_version))
                .then_with(|| a.identity.subresource.cmp(&b.identity.subresource))
        });
    }

    /// Writes the entries into an object.
    pub(super) fn write(mut self, object: &mut Value) {
        self.entries.retain(|entry| !entry.is_empty());
        self.sort();
        let Some(object) = object.as_object_mut() else { return };
        let metadata = object.entry("metadata").or_insert_with(|| json!({}));
        let Some(metadata) = metadata.as_object_mut() else { return };
        if self.entries.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), self.entries.into_iter().map(Entry::write).collect());
        }
    }
}
