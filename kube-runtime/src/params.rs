//! What requests take beside the object: selectors, pages, field managers, preconditions.

use std::fmt::Write as _;

/// What to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ListParams {
    /// As `app=web,tier in (a, b)`; empty selects everything.
    pub label_selector: String,
    /// As `spec.nodeName=node-1`; empty selects everything.
    pub field_selector: String,
    /// The largest number of objects in an answer; 0 is no limit.
    pub limit: u32,
    /// Where the page before this one ended; empty for the first.
    pub continue_token: String,
    /// The least recent state that will do: empty is the newest, `0` any.
    pub resource_version: String,
}

impl ListParams {
    /// Only objects whose labels match.
    #[must_use]
    pub fn labels(mut self, selector: impl Into<String>) -> Self {
        self.label_selector = selector.into();
        self
    }

    /// Only objects whose fields match.
    #[must_use]
    pub fn fields(mut self, selector: impl Into<String>) -> Self {
        self.field_selector = selector.into();
        self
    }

    /// At most so many objects in one answer.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    pub(crate) fn query(&self, query: &mut Query) {
        query.text("labelSelector", &self.label_selector);
        query.text("fieldSelector", &self.field_selector);
        if self.limit > 0 {
            query.number("limit", self.limit);
        }
        query.text("continue", &self.continue_token);
        query.text("resourceVersion", &self.resource_version);
    }
}

/// What to watch, and from where on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchParams {
    /// See [`ListParams::label_selector`].
    pub label_selector: String,
    /// See [`ListParams::field_selector`].
    pub field_selector: String,
    /// Events after this revision; empty begins with what there is.
    pub resource_version: String,
    /// After how many seconds the server ends the watch; 0 leaves it to the server.
    pub timeout_seconds: u32,
}

impl WatchParams {
    pub(crate) fn query(&self, query: &mut Query) {
        query.text("watch", "true");
        query.text("allowWatchBookmarks", "true");
        query.text("labelSelector", &self.label_selector);
        query.text("fieldSelector", &self.field_selector);
        query.text("resourceVersion", &self.resource_version);
        if self.timeout_seconds > 0 {
            query.number("timeoutSeconds", self.timeout_seconds);
        }
    }
}

/// How to create or replace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteParams {
    /// Who owns the fields that are set; empty lets the server derive it from the user agent.
    pub field_manager: String,
    /// Go through every step, but persist nothing.
    pub dry_run: bool,
}

impl WriteParams {
    pub(crate) fn query(&self, query: &mut Query) {
        query.text("fieldManager", &self.field_manager);
        query.dry_run(self.dry_run);
    }
}

/// How to patch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatchParams {
    /// Who owns the fields that are set; server-side apply requires it.
    pub field_manager: String,
    /// Take over fields that another manager owns (server-side apply only).
    pub force: bool,
    /// Go through every step, but persist nothing.
    pub dry_run: bool,
}

impl PatchParams {
    /// For server-side apply by `field_manager`.
    pub fn apply(field_manager: impl Into<String>) -> Self {
        Self { field_manager: field_manager.into(), ..Self::default() }
    }

    /// Take over fields that another manager owns.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    pub(crate) fn query(&self, query: &mut Query) {
        query.text("fieldManager", &self.field_manager);
        if self.force {
            query.text("force", "true");
        }
        query.dry_run(self.dry_run);
    }
}

/// What becomes of an object's dependents when it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay.
    Orphan,
}

impl Propagation {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Background => "Background",
            Self::Foreground => "Foreground",
            Self::Orphan => "Orphan",
        }
    }
}

/// What must be true of an object for it to be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// It is still this very object, not a later one of the same name.
    pub uid: Option<String>,
    /// It has not changed since.
    pub resource_version: Option<String>,
}

/// How to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteParams {
    /// Seconds that a pod gets to end; none leaves it to the object.
    pub grace_period_seconds: Option<u32>,
    /// What becomes of dependents; none leaves it to the kind.
    pub propagation: Option<Propagation>,
    /// What must be true.
    pub preconditions: Preconditions,
    /// Go through every step, but persist nothing.
    pub dry_run: bool,
}

impl DeleteParams {
    /// Deletes dependents after the object.
    pub fn background() -> Self {
        Self { propagation: Some(Propagation::Background), ..Self::default() }
    }

    /// Deletes dependents before the object.
    pub fn foreground() -> Self {
        Self { propagation: Some(Propagation::Foreground), ..Self::default() }
    }

    /// Leaves dependents alone.
    pub fn orphan() -> Self {
        Self { propagation: Some(Propagation::Orphan), ..Self::default() }
    }

    /// Only this very object.
    #[must_use]
    pub fn uid(mut self, uid: impl Into<String>) -> Self {
        self.preconditions.uid = Some(uid.into());
        self
    }

    /// Only while it has not changed since.
    #[must_use]
    pub fn resource_version(mut self, resource_version: impl Into<String>) -> Self {
        self.preconditions.resource_version = Some(resource_version.into());
        self
    }

    /// So many seconds to end; 0 removes a pod at once.
    #[must_use]
    pub fn grace_period_seconds(mut self, seconds: u32) -> Self {
        self.grace_period_seconds = Some(seconds);
        self
    }

    /// The `DeleteOptions` object.
    pub(crate) fn body(&self) -> serde_json::Value {
        let mut body = serde_json::json!({"apiVersion": "v1", "kind": "DeleteOptions"});
        if let Some(seconds) = self.grace_period_seconds {
            body["gracePeriodSeconds"] = seconds.into();
        }
        if let Some(propagation) = self.propagation {
            body["propagationPolicy"] = propagation.as_str().into();
        }
        if let Some(uid) = &self.preconditions.uid {
            body["preconditions"]["uid"] = uid.as_str().into();
        }
        if let Some(resource_version) = &self.preconditions.resource_version {
            body["preconditions"]["resourceVersion"] = resource_version.as_str().into();
        }
        if self.dry_run {
            body["dryRun"] = serde_json::json!(["All"]);
        }
        body
    }
}

/// A query string in the making.
#[derive(Debug, Default)]
pub(crate) struct Query(String);

impl Query {
    /// Adds `name=value` unless the value is empty.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        self.separate();
        self.0.push_str(name);
        self.0.push('=');
        percent_encode(value, &mut self.0);
    }

    fn number(&mut self, name: &str, value: u32) {
        self.separate();
        let _ = write!(self.0, "{name}={value}");
    }

    fn dry_run(&mut self, dry_run: bool) {
        if dry_run {
            self.text("dryRun", "All");
        }
    }

    fn separate(&mut self) {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
    }

    /// `path?query`, or `path` alone.
    pub(crate) fn append_to(self, mut path: String) -> String {
        path.push_str(&self.0);
        path
    }
}

/// Everything but RFC 3986's unreserved characters.
pub(crate) fn percent_encode(text: &str, out: &mut String) {
    for &byte in text.as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests;
