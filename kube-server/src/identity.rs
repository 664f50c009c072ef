//! Who asks: the user that authentication found, carried in the request's extensions.

use std::collections::BTreeMap;

/// A user. A caller in the same process that is trusted with an identity has its requests carry one in their extensions;
/// nothing that arrives over a socket can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    /// `system:serviceaccount:default:default`, `alice`, …
    pub name: String,
    /// Unique over time; may be empty.
    pub uid: String,
    /// `system:authenticated`, …
    pub groups: Vec<String>,
    /// What else the authenticator knows.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// A user of these groups, and of `system:authenticated`.
    pub fn new(name: impl Into<String>, groups: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut groups: Vec<String> = groups.into_iter().map(Into::into).collect();
        if !groups.iter().any(|g| g == "system:authenticated") {
            groups.push("system:authenticated".to_owned());
        }
        Self { name: name.into(), groups, ..Self::default() }
    }

    /// Whoever brings no credentials.
    pub fn anonymous() -> Self {
        let groups = vec!["system:unauthenticated".to_owned()];
        Self { name: "system:anonymous".to_owned(), groups, ..Self::default() }
    }

    /// The administrator of a cluster: group `system:masters`, which no rule can lock out.
    pub fn admin() -> Self {
        Self::new("kubernetes-admin", ["system:masters"])
    }
}
