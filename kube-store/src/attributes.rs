//! What selectors can see of an object: opaque name-value pairs, and the requirements that are held against them.

use std::fmt;
use std::sync::Arc;

/// Name-value pairs of one object, sorted by name; names are unique. The store gives them no meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Box<[(Box<str>, Box<str>)]>);

impl Attributes {
    /// Attributes from pairs in any order; of two pairs with one name the last one wins.
    pub fn new(pairs: impl IntoIterator<Item = (impl Into<Box<str>>, impl Into<Box<str>>)>) -> Self {
        let mut pairs: Vec<(Box<str>, Box<str>)> = pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        // The sort is stable, so that the last of equal names is the one to keep.
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(&mut later.1, &mut earlier.1);
            }
            same
        });
        Self(pairs.into_boxed_slice())
    }

    /// The value under `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.binary_search_by(|(n, _)| (**n).cmp(name)).ok().map(|i| &*self.0[i].1)
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All pairs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// Reads the attributes of an object out of its key and bytes. The store calls it once for each write that does not
/// bring its attributes along, before it takes any lock. It must be a pure function, and cheap.
#[derive(Clone)]
pub struct Extractor(Arc<dyn Fn(&str, &[u8]) -> Attributes + Send + Sync>);

impl Extractor {
    /// An extractor from a function of key and value.
    pub fn new(extract: impl Fn(&str, &[u8]) -> Attributes + Send + Sync + 'static) -> Self {
        Self(Arc::new(extract))
    }

    /// An extractor for stores whose lists and watches take no selectors.
    pub fn none() -> Self {
        Self::new(|_, _| Attributes::default())
    }

    /// The attributes of the object with this key and these bytes.
    pub fn extract(&self, key: &str, value: &[u8]) -> Attributes {
        (self.0)(key, value)
    }
}

impl fmt::Debug for Extractor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Extractor")
    }
}

/// How a [`Requirement`] is held against one attribute. Semantics follow Kubernetes' label selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The attribute exists and its value is among the values.
    In,
    /// The attribute does not exist, or its value is not among the values.
    NotIn,
    /// The attribute exists.
    Exists,
    /// The attribute does not exist.
    DoesNotExist,
}

/// One condition on one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The attribute's name.
    pub name: String,
    /// How it is held.
    pub operator: Operator,
    /// The values for [`Operator::In`] and [`Operator::NotIn`]; empty otherwise.
    pub values: Vec<String>,
}

/// A conjunction of requirements; the empty selector matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// All of these must hold.
    pub requirements: Vec<Requirement>,
}

impl Selector {
    /// Whether an object with these attributes is selected.
    pub fn matches(&self, attributes: &Attributes) -> bool {
        self.requirements.iter().all(|r| {
            let value = attributes.get(&r.name);
            match r.operator {
                Operator::In => value.is_some_and(|v| r.values.iter().any(|w| w == v)),
                Operator::NotIn => value.is_none_or(|v| !r.values.iter().any(|w| w == v)),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }

    /// Whether the selector selects everything.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }
}
