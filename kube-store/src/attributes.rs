//! What selectors can see of an object: opaque name-value pairs, and the requirements that are held against them.

use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// Name-value pairs of one object, sorted by name; names are unique. The store gives them no meaning.
///
/// All text lies in one piece, so that pairs cost two allocations however many they are; a clone costs none.
#[derive(Clone, PartialEq, Eq)]
pub struct Attributes {
    text: Arc<str>,
    /// Where each name and each value ends in `text`; a name begins where the value before it ends.
    ends: Arc<[(u32, u32)]>,
}

impl Default for Attributes {
    fn default() -> Self {
        static NONE: LazyLock<Attributes> = LazyLock::new(|| Attributes { text: "".into(), ends: [].into() });
        NONE.clone()
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Attributes {
    /// Attributes from pairs in any order; of two pairs with one name the last one wins.
    ///
    /// # Panics
    /// When the text of all pairs has 4 GiB or more; a store takes far less.
    pub fn new(pairs: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        if pairs.is_empty() {
            return Self::default();
        }
        // The sort is stable, so that the last of equal names is the one to keep.
        pairs.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        let mut text = String::with_capacity(pairs.iter().map(|(n, v)| n.as_ref().len() + v.as_ref().len()).sum());
        let mut ends = Vec::with_capacity(pairs.len());
        let end = |text: &String| u32::try_from(text.len()).expect("attributes are far smaller than 4 GiB");
        for (i, (name, value)) in pairs.iter().enumerate() {
            if pairs.get(i + 1).is_some_and(|(next, _)| next.as_ref() == name.as_ref()) {
                continue;
            }
            text.push_str(name.as_ref());
            let name_end = end(&text);
            text.push_str(value.as_ref());
            ends.push((name_end, end(&text)));
        }
        Self { text: text.into(), ends: ends.into() }
    }

    fn pair(&self, i: usize) -> (&str, &str) {
        let start = i.checked_sub(1).map_or(0, |before| self.ends[before].1 as usize);
        let (name, value) = self.ends[i];
        (&self.text[start..name as usize], &self.text[name as usize..value as usize])
    }

    /// The value under `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let (found, value) = self.pair(middle);
            match found.cmp(name) {
                Ordering::Equal => return Some(value),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Bytes of all names and values.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All pairs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.len()).map(|i| self.pair(i))
    }
}

/// Reads the attributes of an object out of its key and bytes. The store calls it once for each write that does not
/// bring its attributes along, before it takes any lock. It must be a pure function, and cheap.
#[derive(Clone)]
pub struct Extractor(Arc<Extract>);

type Extract = dyn Fn(&str, &[u8]) -> Attributes + Send + Sync;

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

#[cfg(test)]
mod tests;
