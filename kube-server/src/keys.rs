//! How objects are named in the store: `/{group}/{plural}/{namespace}/{name}`, or without the namespace for kinds that
//! live in none. The core group is spelled `core`. Prefixes end in `/`, so that no name is a prefix of another's key.

/// The prefix of all objects of a resource.
pub fn resource_prefix(group: &str, plural: &str) -> String {
    key(&["/", group_or_core(group), "/", plural, "/"])
}

/// The prefix of the objects of a namespaced resource in one namespace.
pub fn namespace_prefix(group: &str, plural: &str, namespace: &str) -> String {
    key(&["/", group_or_core(group), "/", plural, "/", namespace, "/"])
}

/// The key of one object; `namespace` is empty for kinds that live in none.
pub fn object_key(group: &str, plural: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        key(&["/", group_or_core(group), "/", plural, "/", name])
    } else {
        key(&["/", group_or_core(group), "/", plural, "/", namespace, "/", name])
    }
}

fn group_or_core(group: &str) -> &str {
    if group.is_empty() { "core" } else { group }
}

/// Every request makes some of these: one allocation each.
fn key(parts: &[&str]) -> String {
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: String, expected: &str) {
        assert_eq!(found, expected);
    }

    #[test]
    fn keys_begin_with_the_prefixes_that_hold_them() {
        check(object_key("", "pods", "default", "web"), "/core/pods/default/web");
        check(object_key("", "nodes", "", "n1"), "/core/nodes/n1");
        check(object_key("apps", "deployments", "a", "b"), "/apps/deployments/a/b");
        check(namespace_prefix("apps", "deployments", "a"), "/apps/deployments/a/");
        check(resource_prefix("apps", "deployments"), "/apps/deployments/");
        check(resource_prefix("", "pods"), "/core/pods/");
    }
}
