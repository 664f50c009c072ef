//! What selectors can see of an object: opaque name-value pairs, and the requirements that are held against them.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// Name-value pairs of one object, sorted by name; names are unique. The store gives them no meaning.
///
/// All of them are one allocation, which clones share: first their number, then where each name and each value
/// ends, then the text. A name begins where the value before it ends.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes(Option<Arc<[u8]>>);

/// Bytes of a number, and of an end.
const NUMBER: usize = 4;

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
        let last_of_name = |i: usize| pairs.get(i + 1).is_none_or(|(next, _)| next.as_ref() != pairs[i].0.as_ref());
        let kept: Vec<(&str, &str)> =
            (0..pairs.len()).filter(|i| last_of_name(*i)).map(|i| (pairs[i].0.as_ref(), pairs[i].1.as_ref())).collect();
        let text: usize = kept.iter().map(|(name, value)| name.len() + value.len()).sum();
        let mut bytes = Vec::with_capacity(text_start(kept.len()) + text);
        let number = |n: usize| u32::try_from(n).expect("attributes are far smaller than 4 GiB").to_le_bytes();
        bytes.extend_from_slice(&number(kept.len()));
        let mut end = 0;
        for part in kept.iter().flat_map(|(name, value)| [name, value]) {
            end += part.len();
            bytes.extend_from_slice(&number(end));
        }
        for part in kept.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend_from_slice(part.as_bytes());
        }
        Self(Some(bytes.into()))
    }

    fn pair(&self, i: usize) -> (&str, &str) {
        let (name, value) = self.pair_bytes(i);
        let text = |bytes| std::str::from_utf8(bytes).expect("text went in");
        (text(name), text(value))
    }

    fn pair_bytes(&self, i: usize) -> (&[u8], &[u8]) {
        let bytes = self.0.as_deref().unwrap_or_default();
        let text = &bytes[text_start(self.len())..];
        // The number of pairs stands where the end before the first name would.
        let start = if i == 0 { 0 } else { number_at(bytes, 2 * i) };
        let (middle, end) = (number_at(bytes, 2 * i + 1), number_at(bytes, 2 * i + 2));
        (&text[start..middle], &text[middle..end])
    }

    /// The value under `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            // Text orders as its bytes do; only what is found has to be known as text.
            let (found, value) = self.pair_bytes(middle);
            match found.cmp(name.as_bytes()) {
                Ordering::Equal => return std::str::from_utf8(value).ok(),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Bytes of all names and values.
    pub(crate) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |bytes| bytes.len() - text_start(self.len()))
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |bytes| number_at(bytes, 0))
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// All pairs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.len()).map(|i| self.pair(i))
    }
}

/// Where the text of so many pairs begins.
fn text_start(pairs: usize) -> usize {
    NUMBER + 2 * NUMBER * pairs
}

fn number_at(bytes: &[u8], i: usize) -> usize {
    let number = &bytes[NUMBER * i..NUMBER * (i + 1)];
    u32::from_le_bytes(number.try_into().expect("4 bytes")) as usize
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
