//! Conditions on devices. The engine knows no expression language: a condition is compiled by whoever makes it.

use super::Device;
use hashbrown::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// How many verdicts a condition keeps.
const VERDICTS_MAX: usize = 1 << 16;

/// A compiled condition on a device.
pub trait DevicePredicate: Send + Sync {
    /// Whether a device of a driver meets it.
    ///
    /// # Errors
    /// Why that cannot be said, for people: an attribute that is not there, a comparison of unlike values.
    fn matches(&self, driver: &str, device: &Device) -> Result<bool, String>;
}

impl<F: Fn(&str, &Device) -> Result<bool, String> + Send + Sync> DevicePredicate for F {
    fn matches(&self, driver: &str, device: &Device) -> Result<bool, String> {
        self(driver, device)
    }
}

/// A condition with the text that it was made from, by which two are compared. It is asked once about a device: devices
/// do not change (a changed one is another), and every node of every attempt asks again.
#[derive(Clone)]
pub struct DeviceSelector {
    source: Arc<str>,
    predicate: Arc<dyn DevicePredicate>,
    verdicts: Arc<Mutex<Verdicts>>,
}

/// Verdicts by the address of a device, which stays its own as long as there is a weak reference to it: a selector may
/// outlive the devices of a thousand versions of their slices.
type Verdicts = HashMap<usize, (Weak<Device>, Result<bool, String>)>;

impl DeviceSelector {
    /// A condition.
    pub fn new(source: &str, predicate: impl DevicePredicate + 'static) -> Self {
        Self { source: source.into(), predicate: Arc::new(predicate), verdicts: Arc::default() }
    }

    /// Whether a device of a driver meets it.
    ///
    /// # Errors
    /// Why that cannot be said.
    pub fn matches(&self, driver: &str, device: &Arc<Device>) -> Result<bool, String> {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Arc::as_ptr(device).addr();
        if let Some((_, verdict)) = verdicts.get(&key) {
            return verdict.clone();
        }
        if verdicts.len() >= VERDICTS_MAX {
            verdicts.clear();
        }
        let verdict = self.predicate.matches(driver, device);
        verdicts.insert(key, (Arc::downgrade(device), verdict.clone()));
        verdict
    }
}

impl fmt::Debug for DeviceSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceSelector({:?})", self.source)
    }
}

impl PartialEq for DeviceSelector {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for DeviceSelector {}

#[cfg(test)]
mod tests;
