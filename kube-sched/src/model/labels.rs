//! Labels: a small sorted map, cheap to share.

use std::sync::Arc;

/// A sorted set of labels. Cloning shares it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(Option<Arc<[Pair]>>);

/// Key and value.
type Pair = (Arc<str>, Arc<str>);

impl Labels {
    /// Labels from pairs in any order; of two pairs with one key the last one wins.
    pub fn new<K: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let map: std::collections::BTreeMap<Arc<str>, Arc<str>> =
            pairs.into_iter().map(|(key, value)| (key.as_ref().into(), value.as_ref().into())).collect();
        if map.is_empty() { Self(None) } else { Self(Some(map.into_iter().collect())) }
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        let pairs = self.as_slice();
        pairs.binary_search_by(|(k, _)| (**k).cmp(key)).ok().map(|i| &*pairs[i].1)
    }

    /// Whether there is a label under `key`.
    pub fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// All labels, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.as_slice().iter().map(|(k, v)| (&**k, &**v))
    }

    /// All labels, sorted by key.
    pub(crate) fn as_slice(&self) -> &[Pair] {
        self.0.as_deref().unwrap_or_default()
    }

    /// These labels with one more.
    #[must_use]
    pub fn with(&self, key: &str, value: &str) -> Self {
        Self::new(self.iter().chain([(key, value)]))
    }
}
