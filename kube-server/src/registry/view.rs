//! How an entry is shown to one reader: as it is, as its metadata, or as a row of a Table.

use super::encode;
use super::kind::Kind;
use crate::negotiate::View;
use crate::request::Request;
use bytes::{BufMut, BytesMut};
use kubekit_core::columns;
use kubekit_core::status::ApiError;
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
    /// Reads the query parameter `includeObject`, which only says something to who wants a Table.
    ///
    /// # Errors
    /// 400 where it is no such thing.
    pub(crate) fn parse(request: &Request, view: View) -> Result<Self, ApiError> {
        match request.query.get("includeObject").filter(|_| matches!(view, View::Table { .. })) {
            Some("None") => Ok(Self::None),
            Some("Object") => Ok(Self::Object),
            None | Some("" | "Metadata") => Ok(Self::Metadata),
            Some(other) => Err(ApiError::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', \
                 'Object', 'None', or empty"
            ))),
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
                table["rows"] = Value::Array(vec![self.row(object, version)]);
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
        row(self.kind.served.group, self.kind.served.kind, object, version, self.include, self.now)
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
    table_of(kind.served.group, kind.served.kind, version, metadata)
}

fn table_of(group: &str, kind: &str, version: &str, metadata: Value) -> Value {
    json!({
        "kind": "Table", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata,
        "columnDefinitions": definitions(group, kind), "rows": [],
    })
}

/// An object of no stored kind as its reader wants it, such as a Scale.
pub(crate) fn unstored(
    object: Value,
    group: &str,
    kind: &str,
    view: View,
    include: Include,
    now: jiff::Timestamp,
) -> Value {
    match view {
        View::Object => object,
        View::Partial { version } => partial(&object, version),
        View::Table { version } => {
            let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
            let mut table = table_of(group, kind, version, metadata);
            table["rows"] = Value::Array(vec![row(group, kind, object, version, include, now)]);
            table
        }
    }
}

/// A row of a Table.
fn row(group: &str, kind: &str, object: Value, version: &str, include: Include, now: jiff::Timestamp) -> Value {
    let mut row = json!({"cells": columns::cells(group, kind, &object, now)});
    if let Some(conditions) = columns::completed(&object) {
        row["conditions"] = conditions;
    }
    row["object"] = match include {
        Include::None => return row,
        Include::Metadata => partial(&object, version),
        Include::Object => object,
    };
    row
}

/// The columns of a kind.
fn definitions(group: &str, kind: &str) -> Value {
    columns::of(group, kind)
        .iter()
        .map(|column| {
            json!({"name": column.name, "type": column.kind, "format": column.format,
                "description": column.description, "priority": column.priority})
        })
        .collect()
}
