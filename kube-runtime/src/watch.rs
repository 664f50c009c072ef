//! The frames of one watch.

use crate::object::{ApiResource, Object};
use crate::status;
use kubekit_core::status::ApiError;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::marker::PhantomData;

/// One event of a watch.
#[derive(Clone, Debug)]
pub enum WatchEvent<K> {
    /// The object was created, or was there when the watch began, or has begun to match the selector.
    Added(K),
    /// The object changed.
    Modified(K),
    /// The object was deleted or no longer matches the selector; this is its last state.
    Deleted(K),
    /// Nothing but progress: every event up to this revision has been sent.
    Bookmark {
        /// The revision.
        resource_version: String,
    },
    /// The watch failed and ends.
    Error(ApiError),
}

impl<K: Object> WatchEvent<K> {
    /// Decodes one line.
    pub(crate) fn decode(line: &[u8], resource: &ApiResource) -> serde_json::Result<Self> {
        let mut event: Self = serde_json::from_slice(line)?;
        if let Self::Added(object) | Self::Modified(object) | Self::Deleted(object) = &mut event {
            object.served_as(resource);
        }
        Ok(event)
    }
}

/// The types of frames.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Type {
    Added,
    Modified,
    Deleted,
    Bookmark,
    Error,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Field {
    Type,
    Object,
    #[serde(other)]
    Other,
}

/// What a bookmark's object has.
#[derive(Deserialize)]
struct Progress {
    metadata: ProgressMeta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProgressMeta {
    resource_version: String,
}

impl<'de, K: Object> Deserialize<'de> for WatchEvent<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FrameVisitor(PhantomData))
    }
}

struct FrameVisitor<K>(PhantomData<K>);

impl<'de, K: Object> Visitor<'de> for FrameVisitor<K> {
    type Value = WatchEvent<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a watch event")
    }

    /// Servers write the type first; then the object is decoded in one pass. In the other order it is set aside.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kind: Option<Type> = None;
        let mut aside: Option<Box<RawValue>> = None;
        let mut event = None;
        while let Some(field) = map.next_key::<Field>()? {
            match (field, kind) {
                (Field::Type, _) => kind = Some(map.next_value()?),
                (Field::Object, None) => aside = Some(map.next_value()?),
                (Field::Object, Some(Type::Added)) => event = Some(WatchEvent::Added(map.next_value()?)),
                (Field::Object, Some(Type::Modified)) => event = Some(WatchEvent::Modified(map.next_value()?)),
                (Field::Object, Some(Type::Deleted)) => event = Some(WatchEvent::Deleted(map.next_value()?)),
                (Field::Object, Some(Type::Bookmark | Type::Error)) => aside = Some(map.next_value()?),
                (Field::Other, _) => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if let Some(event) = event {
            return Ok(event);
        }
        let kind = kind.ok_or_else(|| A::Error::missing_field("type"))?;
        let raw = aside.ok_or_else(|| A::Error::missing_field("object"))?;
        from_raw(kind, raw.get()).map_err(A::Error::custom)
    }
}

fn from_raw<K: Object>(kind: Type, raw: &str) -> serde_json::Result<WatchEvent<K>> {
    Ok(match kind {
        Type::Added => WatchEvent::Added(serde_json::from_str(raw)?),
        Type::Modified => WatchEvent::Modified(serde_json::from_str(raw)?),
        Type::Deleted => WatchEvent::Deleted(serde_json::from_str(raw)?),
        Type::Bookmark => {
            let progress: Progress = serde_json::from_str(raw)?;
            WatchEvent::Bookmark { resource_version: progress.metadata.resource_version }
        }
        Type::Error => WatchEvent::Error(status::parse(500, raw.as_bytes())),
    })
}

#[cfg(test)]
mod tests;
