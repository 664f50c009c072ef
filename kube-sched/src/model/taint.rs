//! Taints of nodes and tolerations of pods.

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// They are not scheduled here.
    NoSchedule,
    /// They are scheduled elsewhere where that is possible.
    PreferNoSchedule,
    /// They are not scheduled here, and evicted if they run here.
    NoExecute,
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Taint {
    /// The key.
    pub key: String,
    /// The value; may be empty.
    pub value: String,
    /// What it does.
    pub effect: Effect,
}

impl Taint {
    /// A taint.
    pub fn new(key: &str, value: &str, effect: Effect) -> Self {
        Self { key: key.to_owned(), value: value.to_owned(), effect }
    }
}

/// Which values of a taint a toleration tolerates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum TolerationOperator {
    /// Every value.
    #[default]
    Exists,
    /// This value.
    Equal(String),
    /// Integers above this one (KEP-5471).
    Gt(i64),
    /// Integers below this one (KEP-5471).
    Lt(i64),
}

/// A pod's toleration of taints. The default tolerates everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Toleration {
    /// The taint's key; `None` tolerates every key.
    pub key: Option<String>,
    /// The taint's value.
    pub operator: TolerationOperator,
    /// The taint's effect; `None` tolerates every effect.
    pub effect: Option<Effect>,
}

impl Toleration {
    /// Whether this toleration tolerates `taint`.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        self.effect.is_none_or(|effect| effect == taint.effect)
            && self.key.as_ref().is_none_or(|key| *key == taint.key)
            && match &self.operator {
                TolerationOperator::Exists => true,
                TolerationOperator::Equal(value) => *value == taint.value,
                TolerationOperator::Gt(bound) => decimal(&taint.value).is_some_and(|value| value > *bound),
                TolerationOperator::Lt(bound) => decimal(&taint.value).is_some_and(|value| value < *bound),
            }
    }
}

/// A decimal integer in its one way of writing: `0950`, `+5` and `-0` are none. Source: KEP-5471.
pub(crate) fn decimal(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}
