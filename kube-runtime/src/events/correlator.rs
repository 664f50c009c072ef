//! What becomes of an occurrence: a new event, one more count of an old one, or nothing.
//!
//! Source: client-go `tools/record/events_cache.go`. In its order: from the tenth message of one reason within ten minutes on,
//! further messages become one event whose message begins with "(combined from similar events): "; an event that repeats counts
//! the first one up; an object that has many events is held back (a token bucket: 25 at once, then one in five minutes), and
//! what was held back is counted by the next one that is sent.

use super::EventType;
use super::lru::Lru;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kubekit_core::environment::Random;
use kubekit_core::meta::syntax::dns1123_subdomain;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

/// How many objects, reasons and events are remembered each.
const REMEMBERED_MAX: usize = 4096;
/// How many messages of one reason are events of their own.
const SIMILAR_MAX: usize = 10;
/// Within this time, in seconds.
const SIMILAR_SECONDS: i64 = 600;
/// How many events of one object may come at once.
const BURST: f64 = 25.0;
/// And then one in this many seconds.
const REFILL_SECONDS: f64 = 300.0;
/// How the message of a combined event begins.
const COMBINED: &str = "(combined from similar events): ";

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) struct Occurrence {
    pub(super) object: ObjectReference,
    pub(super) kind: EventType,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) at: jiff::Timestamp,
}

/// What to do about it.
#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    HoldBack,
    Create(Box<Event>),
    /// The event, as it will be when it has been counted.
    Count(Box<Event>),
}

/// Stands for what events have in common: a keyed hash, because to keep the texts of thousands of events to compare with
/// would cost megabytes. That two of 4096 meet is as likely as 1 in 2^41.
type Fingerprint = u64;

/// How an occurrence is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Of whom it is.
    object: Fingerprint,
    /// Under what it is counted: itself, or all that are similar.
    pub(super) key: Fingerprint,
    /// Whether it is counted with those that are similar.
    combined: bool,
}

/// An event that has happened.
#[derive(Clone, Debug)]
struct Counted {
    name: String,
    count: i32,
    first: Option<Time>,
    /// Whether the server knows it; if not, all that happened was held back or refused.
    written: bool,
}

#[derive(Debug)]
struct Similar {
    messages: HashSet<Fingerprint>,
    last: jiff::Timestamp,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: jiff::Timestamp,
}

#[derive(Debug)]
pub(super) struct Correlator {
    source: EventSource,
    random: Arc<dyn Random>,
    /// The time in the name of the newest event, in nanoseconds.
    stamp: u64,
    /// Keeps who names objects from choosing two that have one fingerprint.
    secret: u64,
    buckets: Lru<Fingerprint, Bucket>,
    similar: Lru<Fingerprint, Similar>,
    counted: Lru<Fingerprint, Option<Counted>>,
}

impl Correlator {
    pub(super) fn new(source: EventSource, random: Arc<dyn Random>) -> Self {
        Self {
            source,
            secret: random.next_u64(),
            random,
            stamp: 0,
            buckets: Lru::new(REMEMBERED_MAX),
            similar: Lru::new(REMEMBERED_MAX),
            counted: Lru::new(REMEMBERED_MAX),
        }
    }

    /// Under what the occurrence is counted. Occurrences of one key are to be decided on one after the other, each when the
    /// one before has been written.
    pub(super) fn identify(&mut self, occurrence: &Occurrence) -> Identity {
        let mut hasher = DefaultHasher::new();
        self.secret.hash(&mut hasher);
        let ObjectReference { api_version, kind, namespace, name, uid, field_path, resource_version: _ } =
            &occurrence.object;
        (api_version, kind, namespace, name, uid).hash(&mut hasher);
        let object = hasher.finish();
        (occurrence.kind, &occurrence.reason).hash(&mut hasher);
        let similar_key = hasher.finish();
        occurrence.message.hash(&mut hasher);
        let message = hasher.finish();
        // The parts of an object are counted apart, but one message of several of them is no variety of messages.
        field_path.hash(&mut hasher);
        let alone = hasher.finish();
        let at = occurrence.at;
        let similar = self.similar.entry(similar_key, || Similar { messages: HashSet::new(), last: at });
        if at.as_second() - similar.last.as_second() > SIMILAR_SECONDS {
            similar.messages.clear();
        }
        similar.last = at;
        // Those that stand alone are remembered and go on to do so, no others: the set is bounded.
        let combined = !similar.messages.contains(&message) && similar.messages.len() + 1 >= SIMILAR_MAX;
        if !combined {
            similar.messages.insert(message);
        }
        Identity { object, key: if combined { similar_key } else { alone }, combined }
    }

    pub(super) fn decide(&mut self, mut occurrence: Occurrence, identity: Identity) -> Decision {
        if identity.combined {
            occurrence.message.insert_str(0, COMBINED);
        }
        let held_back = !self.take_token(identity.object, occurrence.at);
        let mut event = Box::new(self.event(occurrence));
        let counted = self.counted.entry(identity.key, || None);
        let now = match counted.take() {
            None => Counted {
                name: event.metadata.name.clone().unwrap_or_default(),
                count: 1,
                first: event.first_timestamp.clone(),
                written: false,
            },
            Some(before) => Counted { count: before.count.saturating_add(1), ..before },
        };
        event.metadata.name = Some(now.name.clone());
        event.first_timestamp.clone_from(&now.first);
        event.count = Some(now.count);
        let written = now.written;
        *counted = Some(now);
        match (held_back, written) {
            (true, _) => Decision::HoldBack,
            (false, false) => Decision::Create(event),
            (false, true) => Decision::Count(event),
        }
    }

    /// What was decided on for this identity has been written.
    pub(super) fn written(&mut self, identity: Identity) {
        if let Some(counted) = self.counted.entry(identity.key, || None) {
            counted.written = true;
        }
    }

    fn take_token(&mut self, object: Fingerprint, at: jiff::Timestamp) -> bool {
        let bucket = self.buckets.entry(object, || Bucket { tokens: BURST, at });
        let elapsed = at.duration_since(bucket.at).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + elapsed / REFILL_SECONDS).min(BURST);
        bucket.at = at;
        let available = bucket.tokens >= 1.0;
        if available {
            bucket.tokens -= 1.0;
        }
        available
    }

    fn event(&mut self, occurrence: Occurrence) -> Event {
        let Occurrence { object, kind, reason, message, at } = occurrence;
        let about = object.name.as_deref().unwrap_or_default();
        // Lists are in the order of names, and times have whole seconds: the name tells which event came first. Another
        // recorder, or a clock that stands still, must not make two events one.
        let now = u64::try_from(at.as_nanosecond()).unwrap_or_default();
        self.stamp = now.max(self.stamp.saturating_add(1));
        let unique = format!("{:016x}{:08x}", self.stamp, self.random.next_u64() >> 32);
        let name = Some(format!("{about}.{unique}")).filter(|name| dns1123_subdomain(name).is_empty());
        let namespace = object.namespace.clone().filter(|namespace| !namespace.is_empty());
        Event {
            metadata: ObjectMeta {
                // What is about an object of a long name, or one that is no host name, has none of it in its own.
                name: name.or(Some(unique)),
                namespace: Some(namespace.unwrap_or_else(|| "default".to_owned())),
                ..ObjectMeta::default()
            },
            involved_object: object,
            reason: Some(reason),
            message: Some(message),
            type_: Some(kind.as_str().to_owned()),
            count: Some(1),
            first_timestamp: Some(Time(at)),
            last_timestamp: Some(Time(at)),
            reporting_component: self.source.component.clone(),
            reporting_instance: self.source.host.clone(),
            source: Some(self.source.clone()),
            ..Event::default()
        }
    }
}

/// What counting changes.
pub(super) fn count_patch(event: &Event) -> serde_json::Value {
    serde_json::json!({
        "count": event.count, "lastTimestamp": event.last_timestamp, "message": event.message,
    })
}

#[cfg(test)]
mod tests;
