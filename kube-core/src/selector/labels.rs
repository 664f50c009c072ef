//! Label selectors: `app=web,tier in (a,b),!canary` and the object form.

use super::ParseError;
use crate::field::{ErrorList, Path};
use serde_json::Value;
use std::fmt;

/// What a requirement asks of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Its value is one of these.
    In,
    /// It is absent, or its value is none of these.
    NotIn,
    /// It is present.
    Exists,
    /// It is absent.
    DoesNotExist,
    /// Its value, an integer, is greater than this one.
    GreaterThan,
    /// Its value, an integer, is less than this one.
    LessThan,
}

/// One requirement of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// What is asked.
    pub operator: Operator,
    /// The values, sorted.
    pub values: Vec<String>,
}

/// A label selector: every requirement must hold; none at all matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

impl LabelSelector {
    /// Parses the text form of a query parameter.
    ///
    /// # Errors
    /// What is wrong, in Kubernetes' words.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let _ = text;
        todo!()
    }

    /// Reads the object form (`matchLabels`, `matchExpressions`). Keys and values are checked.
    ///
    /// # Errors
    /// One error per field below `path` that breaks a rule.
    pub fn from_object(selector: &Value, path: &Path) -> Result<Self, ErrorList> {
        let _ = (selector, path);
        todo!()
    }

    /// The selector that these labels, all of them, satisfy: what `spec.selector` of a Service means.
    pub fn from_map<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let _ = labels.into_iter();
        todo!()
    }

    /// Whether an object with these labels is selected; `label` gives the value of a label.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let _ = label("");
        todo!()
    }

    /// Whether an object with these labels (`metadata.labels`; null for none) is selected.
    pub fn matches_object(&self, labels: &Value) -> bool {
        self.matches(|key| labels.get(key).and_then(Value::as_str))
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The requirements, sorted by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
