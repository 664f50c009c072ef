//! Every built-in kind: its names, scope, verbs, subresources, columns, and where its rules are.

use crate::rules::Rules;

/// Whether objects of a kind live in namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// In none.
    Cluster,
}

/// A subresource, as discovery shows it: `scale` of `deployments` takes and gives `autoscaling/v1 Scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subresource {
    /// `status`, `scale`, `binding`, …
    pub name: &'static str,
    /// Group, version and kind of what is sent and returned.
    pub group: &'static str,
    /// See `group`.
    pub version: &'static str,
    /// See `group`.
    pub kind: &'static str,
    /// In discovery's order.
    pub verbs: &'static [&'static str],
}

/// A column of a Table. Source: `pkg/printers/internalversion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The heading.
    pub name: &'static str,
    /// `string`, `integer`, `date`, `boolean`.
    pub kind: &'static str,
    /// `name` for the name column, else empty.
    pub format: &'static str,
    /// 0 is always shown; above only with `-o wide`.
    pub priority: i32,
    /// What it is.
    pub description: &'static str,
}

/// One kind in one API version.
#[derive(Clone, Copy, Debug)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// API version, without the group.
    pub version: &'static str,
    /// `Pod`.
    pub kind: &'static str,
    /// `pods`.
    pub plural: &'static str,
    /// `pod`.
    pub singular: &'static str,
    /// `po`.
    pub short_names: &'static [&'static str],
    /// `all`.
    pub categories: &'static [&'static str],
    /// Namespaced or not.
    pub scope: Scope,
    /// In discovery's order; virtual kinds (reviews) have only `create`.
    pub verbs: &'static [&'static str],
    /// Subresources.
    pub subresources: &'static [Subresource],
    /// Name of the type in the schema table: `io.k8s.api.core.v1.Pod`.
    pub schema: &'static str,
    /// Group and version in which objects are stored, where one kind is served in several.
    pub storage: (&'static str, &'static str),
    /// Defaults, validation, update rules.
    pub rules: &'static dyn Rules,
    /// Columns of a Table beyond the default; empty: Name and Age.
    pub columns: &'static [Column],
}

impl Resource {
    /// `apps/v1`, or `v1` in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Whether objects live in namespaces.
    pub fn is_namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }
}
