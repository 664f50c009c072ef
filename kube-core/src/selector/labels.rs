//! Label selectors: what they ask, and the object form.

use super::ParseError;
use super::text;
use crate::field::{self, ErrorList, Path};
use crate::meta::syntax;
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
    /// The values, sorted and distinct.
    pub values: Vec<String>,
}

impl Requirement {
    pub(super) fn new(key: &str, operator: Operator, mut values: Vec<String>) -> Self {
        values.sort_unstable();
        values.dedup();
        Self { key: key.to_owned(), operator, values }
    }

    /// Whether a label with this value (`None`: absent) fulfils it.
    pub fn matches(&self, value: Option<&str>) -> bool {
        let among = |value: &str| self.values.iter().any(|v| v == value);
        let compare = |value: &str| Some((value.parse::<i64>().ok()?, self.values.first()?.parse::<i64>().ok()?));
        match self.operator {
            Operator::In => value.is_some_and(among),
            Operator::NotIn => !value.is_some_and(among),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => value.and_then(compare).is_some_and(|(a, b)| a > b),
            Operator::LessThan => value.and_then(compare).is_some_and(|(a, b)| a < b),
        }
    }
}

/// A label selector: every requirement must hold; none at all matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

impl LabelSelector {
    pub(super) fn new(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Self { requirements }
    }

    /// Parses the text form of a query parameter: `app=web,tier in (a,b),!canary`.
    ///
    /// # Errors
    /// What is wrong, in Kubernetes' words.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        text::parse(text).map(Self::new)
    }

    /// Reads the object form (`matchLabels`, `matchExpressions`). Keys and values are checked.
    ///
    /// # Errors
    /// One error per field below `path` that breaks a rule.
    pub fn from_object(selector: &Value, path: &Path) -> Result<Self, ErrorList> {
        let (mut requirements, mut errors) = (Vec::new(), ErrorList::new());
        let labels = path.child("matchLabels");
        for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            invalid(&labels, key, syntax::qualified_name(key), &mut errors);
            invalid(&labels, value, syntax::label_value(value), &mut errors);
            requirements.push(Requirement::new(key, Operator::In, vec![value.to_owned()]));
        }
        let expressions = path.child("matchExpressions");
        for (i, expression) in selector["matchExpressions"].as_array().into_iter().flatten().enumerate() {
            requirements.extend(expression_requirement(expression, &expressions.index(i), &mut errors));
        }
        if errors.is_empty() { Ok(Self::new(requirements)) } else { Err(errors) }
    }

    /// The selector that all of these labels satisfy: what `spec.selector` of a Service means.
    pub fn from_map<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::new(
            labels
                .into_iter()
                .map(|(key, value)| Requirement::new(key, Operator::In, vec![value.to_owned()]))
                .collect(),
        )
    }

    /// Whether an object with these labels is selected; `label` gives the value of a label.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|r| r.matches(label(&r.key)))
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

fn expression_requirement(expression: &Value, path: &Path, errors: &mut ErrorList) -> Option<Requirement> {
    let key = expression["key"].as_str().unwrap_or_default();
    let values: Vec<String> =
        expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let operator = match expression["operator"].as_str().unwrap_or_default() {
        "In" => Some(Operator::In),
        "NotIn" => Some(Operator::NotIn),
        "Exists" => Some(Operator::Exists),
        "DoesNotExist" => Some(Operator::DoesNotExist),
        other => {
            let detail = "not a valid selector operator";
            errors.push(field::Error::invalid(&path.child("operator"), &other.into(), detail));
            None
        }
    };
    match operator {
        Some(Operator::In | Operator::NotIn) if values.is_empty() => {
            let detail = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.push(field::Error::required(&path.child("values"), detail));
        }
        Some(Operator::Exists | Operator::DoesNotExist) if !values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(field::Error::forbidden(&path.child("values"), detail));
        }
        _ => {}
    }
    invalid(&path.child("key"), key, syntax::qualified_name(key), errors);
    for (i, value) in values.iter().enumerate() {
        invalid(&path.child("values").index(i), value, syntax::label_value(value), errors);
    }
    Some(Requirement::new(key, operator?, values))
}

fn invalid(path: &Path, value: &str, messages: Vec<String>, errors: &mut ErrorList) {
    errors.extend(messages.iter().map(|message| field::Error::invalid(path, &value.into(), message)));
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Requirement { key, operator, values }) in self.requirements.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            let values = values.join(",");
            match operator {
                Operator::In if !values.contains(',') => write!(f, "{key}={values}")?,
                Operator::In => write!(f, "{key} in ({values})")?,
                Operator::NotIn => write!(f, "{key} notin ({values})")?,
                Operator::Exists => f.write_str(key)?,
                Operator::DoesNotExist => write!(f, "!{key}")?,
                Operator::GreaterThan => write!(f, "{key}>{values}")?,
                Operator::LessThan => write!(f, "{key}<{values}")?,
            }
        }
        Ok(())
    }
}
