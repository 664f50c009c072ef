use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

/// The permissions that the headers need: `resource[/sub] namespace name`.
#[track_caller]
fn check(pairs: &[(&'static str, &str)], permissions_needed: &[&str], groups: &[&str]) {
    let user = wanted(&headers(pairs)).unwrap().unwrap();
    let found: Vec<String> = permissions(&user)
        .iter()
        .map(|info| {
            assert_eq!(info.verb, "impersonate");
            let sub = if info.subresource.is_empty() { String::new() } else { format!("/{}", info.subresource) };
            let group = if info.group.is_empty() { String::new() } else { format!(".{}", info.group) };
            format!("{}{group}{sub} {}:{}", info.resource, info.namespace, info.name)
        })
        .collect();
    assert_eq!(found, permissions_needed);
    assert_eq!(with_implied_groups(user).groups, groups);
}

#[test]
fn what_each_header_needs() {
    check(&[("impersonate-user", "bob")], &["users :bob"], &["system:authenticated"]);
    check(
        &[("impersonate-user", "bob"), ("impersonate-group", "dev"), ("impersonate-group", "ops")],
        &["users :bob", "groups :dev", "groups :ops"],
        &["dev", "ops", "system:authenticated"],
    );
    check(
        &[("impersonate-user", "system:serviceaccount:a:robot")],
        &["serviceaccounts a:robot"],
        &["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"],
    );
    check(&[("impersonate-user", "system:anonymous")], &["users :system:anonymous"], &["system:unauthenticated"]);
    check(
        &[
            ("impersonate-user", "bob"),
            ("impersonate-uid", "u1"),
            ("impersonate-extra-example.com%2fscope", "read"),
            ("impersonate-extra-example.com%2fscope", "write"),
        ],
        &[
            "users :bob",
            "userextras.authentication.k8s.io/example.com/scope :read",
            "userextras.authentication.k8s.io/example.com/scope :write",
            "uids.authentication.k8s.io :u1",
        ],
        &["system:authenticated"],
    );
}

#[test]
fn without_a_user_there_is_nothing_to_act_as() {
    assert_eq!(wanted(&headers(&[("accept", "x")])).unwrap(), None);
    assert_eq!(wanted(&headers(&[("impersonate-group", "system:masters")])).unwrap_err().code(), 500);
}
