//! Objects of a kind that is known only at run time.

use crate::object::{ApiResource, Object, untyped_reference};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// An object of any kind: its type and metadata are typed, the rest is JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DynamicObject {
    /// `apps/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// The metadata.
    pub metadata: ObjectMeta,
    /// Every other field: `spec`, `status`, `data`, …
    pub data: Map<String, Value>,
}

impl DynamicObject {
    /// An empty object of a kind.
    pub fn new(name: impl Into<String>, resource: &ApiResource) -> Self {
        Self {
            api_version: resource.api_version().into_owned(),
            kind: resource.kind.clone().into_owned(),
            metadata: ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() },
            data: Map::new(),
        }
    }

    /// A reference to it, as an event's `involvedObject` is.
    pub fn object_reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some(self.api_version.clone()),
            kind: Some(self.kind.clone()),
            ..untyped_reference(self)
        }
    }
}

impl Object for DynamicObject {
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn served_as(&mut self, resource: &ApiResource) {
        if self.kind.is_empty() {
            self.api_version = resource.api_version().into_owned();
            self.kind = resource.kind.clone().into_owned();
        }
    }
}

/// The metadata of an object of any kind; reading it costs the server and the client less than the whole object. Sending it
/// makes no sense, except in a patch of metadata.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialObject {
    /// `apps/v1`: of the object, not of the answer.
    #[serde(default)]
    pub api_version: String,
    /// `Deployment`: of the object, not of the answer.
    #[serde(default)]
    pub kind: String,
    /// The metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
}

impl Object for PartialObject {
    const ACCEPT: &'static str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    const ACCEPT_LIST: &'static str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    /// Answers say `PartialObjectMetadata`.
    fn served_as(&mut self, resource: &ApiResource) {
        self.api_version = resource.api_version().into_owned();
        self.kind = resource.kind.clone().into_owned();
    }
}

impl<'de> Deserialize<'de> for DynamicObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut data = Map::deserialize(deserializer)?;
        let mut text = |field| match data.remove(field) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(D::Error::custom(format_args!("{field} must be a string"))),
        };
        let (api_version, kind) = (text("apiVersion")?, text("kind")?);
        let metadata = match data.remove("metadata") {
            None | Some(Value::Null) => ObjectMeta::default(),
            Some(metadata) => ObjectMeta::deserialize(metadata).map_err(D::Error::custom)?,
        };
        Ok(Self { api_version, kind, metadata, data })
    }
}

impl Serialize for DynamicObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(Some(3 + self.data.len()))?;
        if !self.kind.is_empty() {
            map.serialize_entry("apiVersion", &self.api_version)?;
            map.serialize_entry("kind", &self.kind)?;
        }
        map.serialize_entry("metadata", &self.metadata)?;
        for (key, value) in &self.data {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
