//! Requirements on labels.

use super::Labels;

/// How a [`Requirement`] is held against a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// The label exists and its value is among the values.
    In,
    /// The label does not exist, or its value is not among the values.
    NotIn,
    /// The label exists.
    Exists,
    /// The label does not exist.
    DoesNotExist,
    /// The label is an integer above the one value (node selectors only).
    Gt,
    /// The label is an integer below the one value (node selectors only).
    Lt,
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// How it is held.
    pub operator: Operator,
    /// The values; empty for `Exists` and `DoesNotExist`, one for `Gt` and `Lt`.
    pub values: Vec<String>,
}

impl Requirement {
    /// A requirement.
    pub fn new<V: Into<String>>(key: &str, operator: Operator, values: impl IntoIterator<Item = V>) -> Self {
        Self { key: key.to_owned(), operator, values: values.into_iter().map(Into::into).collect() }
    }

    /// Whether a label with this value (`None`: no such label) meets the requirement.
    pub fn holds(&self, value: Option<&str>) -> bool {
        let listed = |v: &str| self.values.iter().any(|w| w == v);
        match self.operator {
            Operator::In => value.is_some_and(listed),
            Operator::NotIn => !value.is_some_and(listed),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => self.compare(value).is_some_and(|(label, bound)| label > bound),
            Operator::Lt => self.compare(value).is_some_and(|(label, bound)| label < bound),
        }
    }

    fn compare(&self, value: Option<&str>) -> Option<(i64, i64)> {
        let [bound] = self.values.as_slice() else { return None };
        Some((value?.parse().ok()?, bound.parse().ok()?))
    }
}

/// A conjunction of requirements, or nothing at all.
///
/// Kubernetes tells an empty selector, which selects everything, from an absent one, which selects nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Selector {
    /// Selects nothing.
    #[default]
    Nothing,
    /// Selects what meets all of these; everything when there are none.
    All(Vec<Requirement>),
}

impl Selector {
    /// Selects what carries these labels.
    pub fn labels<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::All(pairs.into_iter().map(|(key, value)| Requirement::new(key, Operator::In, [value])).collect())
    }

    /// Whether these labels are selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::Nothing => false,
            Self::All(requirements) => requirements.iter().all(|r| r.holds(labels.get(&r.key))),
        }
    }
}
