//! The part of the Common Expression Language that selects devices.
//!
//! Known are: `device.driver`, `device.attributes[domain].name`, `device.capacity[domain].name`, literals, lists, the
//! logical, relational and arithmetic operators, `in`, `? :`, `has()`, `size()`, `quantity()`, `semver()` and the methods
//! `startsWith`, `endsWith`, `contains`, `lowerAscii`, `compareTo`, `isGreaterThan`, `isLessThan`. What is not known makes
//! an expression that fails, which the pod's `FailedScheduling` then tells. `&&` and `||` absorb an error on one side where
//! the other decides. Source: the CEL specification and "Common Expression Language in Kubernetes" of the documentation.

mod evaluate;
mod parse;

use crate::dra::{Device, DeviceSelector};
use evaluate::{Value, evaluate};

/// How deep expressions may be nested.
const DEPTH_MAX: usize = 64;

/// A condition on devices from an expression. One that cannot be read fails for every device.
pub(super) fn selector(expression: &str) -> DeviceSelector {
    let program = parse::parse(expression);
    DeviceSelector::new(expression, move |driver: &str, device: &Device| {
        let program = program.as_ref().map_err(|error| format!("compile error: {error}"))?;
        match evaluate(program, driver, device)? {
            Value::Bool(met) => Ok(met),
            other => Err(format!("the expression must be a bool, not {}", other.kind())),
        }
    })
}

#[cfg(test)]
mod tests;
