//! The options of requests, read from the query: what a write, a list or a watch is asked to do.
//!
//! Source: `k8s.io/apimachinery/pkg/apis/meta/v1/validation`.

use crate::request::Request;
use http::header::USER_AGENT;
use kubekit_core::field::{Error as FieldError, ErrorList, Path};
use kubekit_core::status::ApiError;
use serde_json::{Value, json};

/// What becomes of fields that a kind does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    /// They are dropped.
    Ignore,
    /// They are dropped, and the client is warned.
    Warn,
    /// The request is refused.
    Strict,
}

/// Options of create, update and patch.
#[derive(Clone, Debug)]
pub(crate) struct WriteOptions {
    /// Everything but the write itself.
    pub(crate) dry_run: bool,
    /// Who writes, for managedFields.
    pub(crate) manager: String,
    /// What becomes of unknown fields.
    pub(crate) validation: FieldValidation,
    /// Whether an apply takes fields over.
    pub(crate) force: bool,
}

const MANAGER_BYTES_MAX: usize = 128;

impl WriteOptions {
    /// Reads the options. `kind` is `CreateOptions`, `UpdateOptions` or `PatchOptions`; `apply` is whether it is an apply
    /// patch, which must name its manager.
    ///
    /// # Errors
    /// 422, one cause per option.
    pub(crate) fn parse(request: &Request, kind: &str, apply: bool) -> Result<Self, ApiError> {
        let mut errors = ErrorList::new();
        let dry_run = dry_run(request.query.all("dryRun"), &mut errors);
        let given = request.query.get("fieldManager").unwrap_or_default();
        check_manager(given, &mut errors);
        // Other writes have no such option, and as any they do not know it is passed over.
        let force = request.query.get("force").filter(|_| kind == "PatchOptions");
        if apply && given.is_empty() {
            errors.push(FieldError::required(&Path::new("fieldManager"), "is required for apply patch"));
        }
        if !apply && force.is_some() {
            errors.push(FieldError::forbidden(&Path::new("force"), "may not be specified for non-apply patch"));
        }
        let validation = match request.query.get("fieldValidation").unwrap_or_default() {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                let path = Path::new("fieldValidation");
                errors.push(FieldError::not_supported(&path, &json!(other), &["Ignore", "Strict", "Warn"]));
                FieldValidation::Warn
            }
        };
        if !errors.is_empty() {
            return Err(ApiError::invalid("meta.k8s.io", kind, "", &errors));
        }
        let manager = if given.is_empty() { agent_manager(request.header(&USER_AGENT)) } else { given.to_owned() };
        Ok(Self { dry_run, manager, validation, force: force.is_some_and(crate::query::is_true) })
    }
}

/// Whether `dryRun` is given; only `All` is a value of it.
pub(crate) fn dry_run<'a>(values: impl Iterator<Item = &'a str>, errors: &mut ErrorList) -> bool {
    let values: Vec<&str> = values.collect();
    if values.iter().any(|value| *value != "All") {
        errors.push(FieldError::not_supported(&Path::new("dryRun"), &json!(values), &["All"]));
    }
    !values.is_empty()
}

fn check_manager(manager: &str, errors: &mut ErrorList) {
    let path = Path::new("fieldManager");
    if manager.len() > MANAGER_BYTES_MAX {
        errors.push(FieldError::too_long(&path, MANAGER_BYTES_MAX));
    }
    if let Some((i, c)) = manager.char_indices().find(|(_, c)| c.is_control()) {
        let detail = format!("must be printable (at {i}: {:?})", u32::from(c));
        errors.push(FieldError::invalid(&path, &json!(manager), &detail));
    }
}

/// The manager of a client that names none: the first part of its user agent.
fn agent_manager(agent: &str) -> String {
    let name: String = agent.split('/').next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    let mut end = name.len().min(MANAGER_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    if end == 0 { "unknown".to_owned() } else { name[..end].to_owned() }
}

/// How the resourceVersion of a list is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionMatch {
    /// Not said.
    Unset,
    /// Exactly that version.
    Exact,
    /// That or a later one.
    NotOlderThan,
}

/// Options of list and watch.
#[derive(Clone, Debug)]
pub(crate) struct ListOptions {
    /// Label selector, as text.
    pub(crate) labels: String,
    /// Field selector, as text.
    pub(crate) fields: String,
    /// The version; `None` where not given or empty.
    pub(crate) version: Option<u64>,
    /// How it is meant.
    pub(crate) version_match: VersionMatch,
    /// The largest number of objects; 0 is all.
    pub(crate) limit: usize,
    /// Where the page before ended.
    pub(crate) token: Option<String>,
    /// After how many seconds a watch ends.
    pub(crate) timeout_seconds: Option<u64>,
    /// Whether a watch sends bookmarks.
    pub(crate) bookmarks: bool,
    /// Whether a watch begins with the present state; `None`: as the version says.
    pub(crate) initial_events: Option<bool>,
}

impl ListOptions {
    /// Reads and checks the options.
    ///
    /// # Errors
    /// 400 for values that cannot be read, 422 for combinations that are not allowed.
    pub(crate) fn parse(request: &Request, watch: bool) -> Result<Self, ApiError> {
        let query = &request.query;
        let mut errors = ErrorList::new();
        let options = Self {
            labels: query.get("labelSelector").unwrap_or_default().to_owned(),
            fields: query.get("fieldSelector").unwrap_or_default().to_owned(),
            version: version(request, "ListOptions")?,
            version_match: match query.get("resourceVersionMatch").unwrap_or_default() {
                "Exact" => VersionMatch::Exact,
                "NotOlderThan" => VersionMatch::NotOlderThan,
                _ => VersionMatch::Unset,
            },
            limit: usize::try_from(query.integer("limit")?.unwrap_or(0)).unwrap_or(0),
            token: query.non_empty("continue").map(str::to_owned),
            timeout_seconds: query.integer("timeoutSeconds")?.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0),
            bookmarks: query.is_true("allowWatchBookmarks"),
            initial_events: query.get("sendInitialEvents").map(crate::query::is_true),
        };
        let given = query.get("resourceVersionMatch").unwrap_or_default();
        if watch {
            options.check_watch(given, &mut errors);
        } else {
            options.check_list(given, &mut errors);
        }
        if errors.is_empty() { Ok(options) } else { Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", &errors)) }
    }

    fn check_list(&self, given: &str, errors: &mut ErrorList) {
        let path = Path::new("resourceVersionMatch");
        if !given.is_empty() {
            if self.version.is_none() {
                let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
                errors.push(FieldError::forbidden(&path, detail));
            }
            if self.token.is_some() {
                let detail = "resourceVersionMatch is forbidden when continue is provided";
                errors.push(FieldError::forbidden(&path, detail));
            }
            if self.version_match == VersionMatch::Unset {
                errors.push(FieldError::not_supported(&path, &json!(given), &["Exact", "NotOlderThan", ""]));
            }
            if self.version_match == VersionMatch::Exact && self.version == Some(0) {
                let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
                errors.push(FieldError::forbidden(&path, detail));
            }
        }
        if self.initial_events.is_some() {
            let path = Path::new("sendInitialEvents");
            errors.push(FieldError::forbidden(&path, "sendInitialEvents is forbidden for list"));
        }
    }

    fn check_watch(&self, given: &str, errors: &mut ErrorList) {
        let path = Path::new("resourceVersionMatch");
        if self.initial_events.is_some() && self.version_match != VersionMatch::NotOlderThan {
            let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            errors.push(FieldError::forbidden(&path, detail));
        }
        if !given.is_empty() {
            if self.initial_events.is_none() {
                let detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
                errors.push(FieldError::forbidden(&path, detail));
            }
            if self.version_match != VersionMatch::NotOlderThan {
                errors.push(FieldError::not_supported(&path, &json!(given), &["NotOlderThan"]));
            }
            if self.token.is_some() {
                let detail = "resourceVersionMatch is forbidden when continue is provided";
                errors.push(FieldError::forbidden(&path, detail));
            }
        }
    }
}

/// The version that a get, list or watch asks for; `None` where it is not given or empty. `kind` is `GetOptions` or
/// `ListOptions`.
///
/// # Errors
/// 422 where it is no version.
pub(crate) fn version(request: &Request, kind: &str) -> Result<Option<u64>, ApiError> {
    let version = request.query.non_empty("resourceVersion").map(|text| {
        text.parse().map_err(|_| {
            let detail = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
            let error = FieldError::invalid(&Path::new("resourceVersion"), &json!(text), &detail);
            ApiError::invalid("meta.k8s.io", kind, "", &[error])
        })
    });
    version.transpose()
}

/// The `DeleteOptions` of a delete as an object: the body, or else what the query says.
pub(crate) fn delete_options(request: &Request, body: Option<Value>) -> Result<Value, ApiError> {
    if let Some(body) = body {
        return Ok(body);
    }
    let query = &request.query;
    let mut options = json!({});
    if let Some(seconds) = query.integer("gracePeriodSeconds")? {
        options["gracePeriodSeconds"] = json!(seconds);
    }
    if let Some(policy) = query.non_empty("propagationPolicy") {
        options["propagationPolicy"] = json!(policy);
    }
    if let Some(orphan) = query.get("orphanDependents") {
        options["orphanDependents"] = json!(crate::query::is_true(orphan));
    }
    let dry_run: Vec<&str> = query.all("dryRun").collect();
    if !dry_run.is_empty() {
        options["dryRun"] = json!(dry_run);
    }
    Ok(options)
}
