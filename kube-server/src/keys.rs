//! How objects are named in the store: `/{group}/{plural}/{namespace}/{name}`, or without the namespace for kinds that
//! live in none. The core group is spelled `core`. Prefixes end in `/`, so that no name is a prefix of another's key.

/// The prefix of all objects of a resource.
pub fn resource_prefix(group: &str, plural: &str) -> String {
    format!("/{}/{plural}/", if group.is_empty() { "core" } else { group })
}

/// The prefix of the objects of a namespaced resource in one namespace.
pub fn namespace_prefix(group: &str, plural: &str, namespace: &str) -> String {
    format!("{}{namespace}/", resource_prefix(group, plural))
}

/// The key of one object; `namespace` is empty for kinds that live in none.
pub fn object_key(group: &str, plural: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        format!("{}{name}", resource_prefix(group, plural))
    } else {
        format!("{}{name}", namespace_prefix(group, plural, namespace))
    }
}
