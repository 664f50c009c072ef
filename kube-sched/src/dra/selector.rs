//! Conditions on devices. The engine knows no expression language: a condition is compiled by whoever makes it.

use super::Device;
use std::fmt;
use std::sync::Arc;

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

/// A condition with the text that it was made from, by which two are compared.
#[derive(Clone)]
pub struct DeviceSelector {
    source: Arc<str>,
    predicate: Arc<dyn DevicePredicate>,
}

impl DeviceSelector {
    /// A condition.
    pub fn new(source: &str, predicate: impl DevicePredicate + 'static) -> Self {
        Self { source: source.into(), predicate: Arc::new(predicate) }
    }

    /// Whether a device of a driver meets it.
    ///
    /// # Errors
    /// Why that cannot be said.
    pub fn matches(&self, driver: &str, device: &Device) -> Result<bool, String> {
        self.predicate.matches(driver, device)
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
