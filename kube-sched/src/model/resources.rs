//! Amounts of resources.

use std::sync::Arc;

/// Which resource is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceName {
    /// `cpu`, in thousandths of a core.
    Cpu,
    /// `memory`, in bytes.
    Memory,
    /// `ephemeral-storage`, in bytes.
    EphemeralStorage,
    /// Any other, in its own unit.
    Scalar(Arc<str>),
}

impl From<&str> for ResourceName {
    fn from(name: &str) -> Self {
        match name {
            "cpu" => Self::Cpu,
            "memory" => Self::Memory,
            "ephemeral-storage" => Self::EphemeralStorage,
            _ => Self::Scalar(name.into()),
        }
    }
}

/// Amounts of resources: requested by a pod, or allocatable on a node. Arithmetic saturates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Resources {
    /// CPU in thousandths of a core.
    pub cpu_milli: i64,
    /// Memory in bytes.
    pub memory_bytes: i64,
    /// Local ephemeral storage in bytes.
    pub ephemeral_storage_bytes: i64,
    /// Number of pods; only nodes have one.
    pub pods: i64,
    /// Extended resources by name, sorted by name, in their own units.
    scalar: Vec<(Arc<str>, i64)>,
}

impl Resources {
    /// CPU in thousandths of a core, memory in bytes, number of pods (0 for requests).
    pub fn new(cpu_milli: i64, memory_bytes: i64, pods: i64) -> Self {
        Self { cpu_milli, memory_bytes, pods, ..Self::default() }
    }

    /// With an amount of an extended resource such as `nvidia.com/gpu`.
    #[must_use]
    pub fn with_scalar(mut self, name: &str, amount: i64) -> Self {
        match self.scalar.binary_search_by(|(n, _)| (**n).cmp(name)) {
            Ok(i) => self.scalar[i].1 = amount,
            Err(i) => self.scalar.insert(i, (name.into(), amount)),
        }
        self
    }

    /// With local ephemeral storage in bytes.
    #[must_use]
    pub fn with_ephemeral_storage(mut self, bytes: i64) -> Self {
        self.ephemeral_storage_bytes = bytes;
        self
    }

    /// The amount of an extended resource; 0 where it is absent.
    pub fn scalar(&self, name: &str) -> i64 {
        self.scalar.binary_search_by(|(n, _)| (**n).cmp(name)).map_or(0, |i| self.scalar[i].1)
    }

    /// The amount of any resource; 0 where it is absent.
    #[inline]
    pub fn amount(&self, name: &ResourceName) -> i64 {
        match name {
            ResourceName::Cpu => self.cpu_milli,
            ResourceName::Memory => self.memory_bytes,
            ResourceName::EphemeralStorage => self.ephemeral_storage_bytes,
            ResourceName::Scalar(name) => self.scalar(name),
        }
    }

    /// All extended resources, sorted by name.
    pub fn scalars(&self) -> impl Iterator<Item = (&str, i64)> {
        self.scalar.iter().map(|(name, amount)| (&**name, *amount))
    }

    /// Adds every amount of `other`.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, i64::saturating_add);
    }

    /// Takes away every amount of `other`.
    pub fn subtract(&mut self, other: &Self) {
        self.combine(other, i64::saturating_sub);
    }

    /// Raises every amount to that of `other` where that is larger.
    pub fn raise_to(&mut self, other: &Self) {
        self.combine(other, i64::max);
    }

    fn combine(&mut self, other: &Self, f: impl Fn(i64, i64) -> i64) {
        self.cpu_milli = f(self.cpu_milli, other.cpu_milli);
        self.memory_bytes = f(self.memory_bytes, other.memory_bytes);
        self.ephemeral_storage_bytes = f(self.ephemeral_storage_bytes, other.ephemeral_storage_bytes);
        self.pods = f(self.pods, other.pods);
        for (name, amount) in &other.scalar {
            match self.scalar.binary_search_by(|(n, _)| n.cmp(name)) {
                Ok(i) => self.scalar[i].1 = f(self.scalar[i].1, *amount),
                Err(i) => self.scalar.insert(i, (name.clone(), f(0, *amount))),
            }
        }
    }
}
