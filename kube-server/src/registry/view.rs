//! How an entry is shown to one reader: as it is, as its metadata, or as a row of a Table.

use super::encode;
use super::kind::Kind;
use crate::negotiate::View;
use bytes::{BufMut, BytesMut};
use kubekit_core::columns;
use kubekit_store::{Entry, Revision};
use serde_json::{Value, json};

/// What a row of a Table says of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Include {
    /// Nothing.
    None,
    /// Its metadata.
    Metadata,
    /// All.
    Object,
}

impl Include {
    /// Reads the query parameter `includeObject`.
    pub(crate) fn parse(text: Option<&str>) -> Self {
        match text {
            Some("None") => Self::None,
            Some("Object") => Self::Object,
            _ => Self::Metadata,
        }
    }
}

/// Shows entries of one kind to one reader.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Viewer {
    /// The kind.
    pub(crate) kind: Kind,
    /// What is wanted of the objects.
    pub(crate) view: View,
    /// What rows of a Table say of their objects.
    pub(crate) include: Include,
    /// The time, for ages.
    pub(crate) now: jiff::Timestamp,
}

impl Viewer {
    /// Whether the stored bytes are what the reader wants.
    pub(crate) fn is_plain(&self) -> bool {
        self.view == View::Object && !self.kind.is_converted()
    }

    /// The object of an entry as the reader wants it, at a revision of the caller's choice; a Table has one row.
    pub(crate) fn object(&self, entry: &Entry, revision: Revision) -> Value {
        let object = self.decode(entry, revision);
        match self.view {
            View::Object => object,
            View::Partial { version } => partial(&object, version),
            View::Table { version } => {
                let mut table = table(self.kind, version, json!({"resourceVersion": revision.to_string()}));
                table["rows"] = json!([self.row(object, version)]);
                table
            }
        }
    }

    /// Appends an entry as an item of a list, or as a row of a Table.
    pub(crate) fn append_item(&self, out: &mut BytesMut, entry: &Entry) {
        if self.is_plain() {
            encode::append_item(out, &entry.value, entry.revision);
            return;
        }
        let item = self.item(entry);
        serde_json::to_writer(out.writer(), &item).expect("a JSON value encodes");
    }

    /// An entry as an item of a list, or as a row of a Table.
    pub(crate) fn item(&self, entry: &Entry) -> Value {
        let mut object = self.decode(entry, entry.revision);
        match self.view {
            View::Object => {
                if let Some(map) = object.as_object_mut() {
                    map.remove("apiVersion");
                    map.remove("kind");
                }
                object
            }
            View::Partial { version } => partial(&object, version),
            View::Table { version } => self.row(object, version),
        }
    }

    fn decode(&self, entry: &Entry, revision: Revision) -> Value {
        let mut object = encode::decode_served(self.kind, entry);
        if revision != entry.revision {
            encode::set_version(&mut object, revision);
        }
        object
    }

    fn row(&self, object: Value, version: &str) -> Value {
        let served = self.kind.served;
        let cells = columns::cells(served.group, served.kind, &object, self.now).unwrap_or_else(|| {
            vec![
                object["metadata"]["name"].clone(),
                object["metadata"].get("creationTimestamp").cloned().unwrap_or_else(|| json!("<unknown>")),
            ]
        });
        let mut row = json!({"cells": cells});
        if let Some(conditions) = columns::completed(&object) {
            row["conditions"] = conditions;
        }
        row["object"] = match self.include {
            Include::None => return row,
            Include::Metadata => partial(&object, version),
            Include::Object => object,
        };
        row
    }
}

/// The metadata of an object, as a `PartialObjectMetadata`.
fn partial(object: &Value, version: &str) -> Value {
    json!({
        "apiVersion": format!("meta.k8s.io/{version}"), "kind": "PartialObjectMetadata",
        "metadata": object["metadata"],
    })
}

/// A Table without rows.
pub(crate) fn table(kind: Kind, version: &str, metadata: Value) -> Value {
    json!({
        "kind": "Table", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata,
        "columnDefinitions": definitions(kind), "rows": [],
    })
}

/// The columns of a kind.
fn definitions(kind: Kind) -> Value {
    let columns = columns::of(kind.served.group, kind.served.kind);
    if columns.is_empty() {
        return json!([
            {"name": "Name", "type": "string", "format": "name", "priority": 0,
             "description": "Name must be unique within a namespace."},
            {"name": "Created At", "type": "date", "format": "", "priority": 0,
             "description": "CreationTimestamp is a timestamp representing the server time when this object was created."},
        ]);
    }
    columns
        .iter()
        .map(|column| {
            json!({"name": column.name, "type": column.kind, "format": column.format,
                "description": column.description, "priority": column.priority})
        })
        .collect()
}
