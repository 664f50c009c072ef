//! The published facts: OpenAPI definitions, protobuf field numbers, and which scalars are pointers.

use anyhow::{Context, Result};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// One field of a protobuf message.
#[derive(Debug, Clone)]
pub(crate) struct WireField {
    pub(crate) number: u32,
    pub(crate) of: String,
    pub(crate) name: String,
}

/// What is known before anything is generated.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) definitions: Map<String, Value>,
    pub(crate) messages: BTreeMap<(String, String), Vec<WireField>>,
    pub(crate) pointers: BTreeSet<(String, String)>,
}

impl Facts {
    /// Reads `openapi/*.json` and `protobuf/fields.tsv` below `data`; `facts/protobuf.tsv` has the field numbers of API groups
    /// that are not yet generally available.
    pub(crate) fn read(data: &Path) -> Result<Self> {
        let openapi = data.join("openapi/kubernetes-1.36-swagger.json");
        let text = fs::read_to_string(&openapi).with_context(|| format!("read {}", openapi.display()))?;
        let mut document: Value = serde_json::from_str(&text).context("parse the OpenAPI document")?;
        let definitions = match document["definitions"].take() {
            Value::Object(map) => map,
            _ => anyhow::bail!("the OpenAPI document has no definitions"),
        };
        let fields = data.join("protobuf/fields.tsv");
        let text = fs::read_to_string(&fields).with_context(|| format!("read {}", fields.display()))?;
        let mut messages = messages(&text)?;
        messages.extend(self::messages(include_str!("../../facts/protobuf.tsv"))?);
        Ok(Self { definitions, messages, pointers: pointers() })
    }
}

fn messages(text: &str) -> Result<BTreeMap<(String, String), Vec<WireField>>> {
    let mut messages: BTreeMap<_, Vec<WireField>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [package, message, number, label, rest @ ..] = columns.as_slice() else {
            anyhow::bail!("not a row of fields: {line}");
        };
        let fields = messages.entry(((*package).to_owned(), (*message).to_owned())).or_default();
        if let (false, [of, name]) = (*label == "empty", rest) {
            fields.push(WireField {
                number: number.parse().with_context(|| format!("field number in {line}"))?,
                of: (*of).to_owned(),
                name: (*name).to_owned(),
            });
        }
    }
    Ok(messages)
}

fn pointers() -> BTreeSet<(String, String)> {
    include_str!("../../facts/pointers.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| {
            let mut words = line.split_whitespace();
            let of = words.next().unwrap_or_default().to_owned();
            words.map(move |field| (of.clone(), field.to_owned())).collect::<Vec<_>>()
        })
        .collect()
}
