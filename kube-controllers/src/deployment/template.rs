//! The pod template's hash, and when two templates are the same.

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::PodTemplateSpec;

/// The label that tells the pods of a Deployment's ReplicaSets apart.
pub const POD_TEMPLATE_HASH: &str = "pod-template-hash";

/// The hash of a template, in the alphabet that spells no words. `collisions` counts how often a hash met a ReplicaSet of
/// another template before.
///
/// Kubernetes hashes a dump of Go's structure; nobody may depend on the value, only on its stability. This is FNV-1a
/// (32 bits) over the template's canonical JSON, followed by the count.
///
/// # Panics
///
/// Never: a typed template always has a JSON form.
pub fn hash(template: &PodTemplateSpec, collisions: Option<i32>) -> String {
    let canonical = serde_json::to_vec(template).expect("a typed template has a JSON form");
    let count = collisions.map(i32::to_le_bytes).unwrap_or_default();
    let count = if collisions.is_some() { &count[..] } else { &[] };
    let mut hash: u32 = 0x811c_9dc5;
    for byte in canonical.iter().chain(count) {
        hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    safe_encode(&hash.to_string())
}

/// Source: `k8s.io/apimachinery/pkg/util/rand.SafeEncodeString`.
fn safe_encode(text: &str) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    text.bytes().map(|b| char::from(ALPHABET[usize::from(b) % ALPHABET.len()])).collect()
}

/// Whether a ReplicaSet runs this template, its hash label apart.
pub fn is_of(set: &ReplicaSet, template: &PodTemplateSpec) -> bool {
    let Some(other) = set.spec.as_ref().and_then(|s| s.template.as_ref()) else { return false };
    if other.spec != template.spec {
        return false;
    }
    without_hash(other) == without_hash(template)
}

/// The metadata of a template without the hash label, and without the difference between empty and absent.
fn without_hash(template: &PodTemplateSpec) -> k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
    let mut meta = template.metadata.clone().unwrap_or_default();
    if let Some(labels) = &mut meta.labels {
        labels.remove(POD_TEMPLATE_HASH);
    }
    meta.labels = meta.labels.filter(|l| !l.is_empty());
    meta.annotations = meta.annotations.filter(|a| !a.is_empty());
    meta
}
