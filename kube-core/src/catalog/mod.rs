//! Every built-in kind: its names, scope, verbs, subresources, columns, and where its rules are.
//!
//! [`builtin`] lists them, [`find`] and [`find_kind`] look one up, [`groups`] is the order in which discovery shows
//! API groups. The rows are in `table`; the rules and columns come from [`crate::rules`] and [`crate::columns`].

mod groups;
mod table;

pub use groups::{Group, groups};

use crate::rules::Rules;
use crate::schema::Type;
use std::collections::HashMap;
use std::sync::LazyLock;

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
    of: &'static Type,
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

    /// The type of its objects.
    pub fn schema_type(&self) -> &'static Type {
        self.of
    }

    /// The subresource with this name.
    pub fn subresource(&self, name: &str) -> Option<&'static Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }

    /// Whether this verb is served.
    pub fn has_verb(&self, verb: &str) -> bool {
        self.verbs.contains(&verb)
    }
}

/// Every built-in kind in every version served, in discovery's order of groups, sorted by plural within a version.
pub fn builtin() -> &'static [Resource] {
    &BUILTIN
}

/// The kind with this plural. `group` is empty for the core group.
pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    static BY_PLURAL: LazyLock<Index> = LazyLock::new(|| index(|resource| resource.plural));
    BY_PLURAL.get(&(group, version, plural)).copied()
}

/// The resource that serves this kind.
pub fn find_kind(group: &str, version: &str, kind: &str) -> Option<&'static Resource> {
    static BY_KIND: LazyLock<Index> = LazyLock::new(|| index(|resource| resource.kind));
    BY_KIND.get(&(group, version, kind)).copied()
}

/// Resources by group, version and a name: every request looks one up, some several.
type Index = HashMap<(&'static str, &'static str, &'static str), &'static Resource>;

fn index(name: fn(&'static Resource) -> &'static str) -> Index {
    let mut index = Index::new();
    for resource in builtin() {
        index.entry((resource.group, resource.version, name(resource))).or_insert(resource);
    }
    index
}

static BUILTIN: LazyLock<Vec<Resource>> = LazyLock::new(|| table::ROWS.iter().map(table::Row::resource).collect());

#[cfg(test)]
mod tests;
