//! Conditions on devices in the Common Expression Language, evaluated by `kube-cel`.
//!
//! `device` has `driver`, `allowMultipleAllocations`, `attributes[domain].name` and `capacity[domain].name`; of a domain
//! that the device knows nothing of that is an empty map. What fails on a device (an attribute that is not there, an
//! unknown function) fails the pod's attempt, and its `FailedScheduling` tells why. Before it is evaluated an expression
//! is held against the bounds of [`bounds`]. Source:
//! "Common Expression Language in Kubernetes" and KEP-4381.

mod bounds;
mod device;

use crate::dra::{Device, DeviceSelector};
use kube_cel::KubeCelExt as _;
use kube_cel::cel::{Context, IdedExpr, Program, Value};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// How many compiled expressions are kept: clusters have few classes, and claims of one template say the same.
const COMPILED_MAX: usize = 1024;

/// What is set aside for reading an expression; only what is used of it is ever touched.
const STACK_BYTES: usize = 64 << 20;
const FAILED: &str = "the interpreter failed on it";

/// The functions that expressions may call.
static FUNCTIONS: LazyLock<Context<'static>> = LazyLock::new(|| {
    let mut functions = Context::default().with_all();
    functions.add_function(device::DOMAIN, device::domain);
    functions
});
static COMPILED: LazyLock<Mutex<HashMap<Arc<str>, DeviceSelector>>> = LazyLock::new(Mutex::default);

/// A condition on devices from an expression. One that cannot be read fails for every device.
pub(super) fn selector(expression: &str) -> DeviceSelector {
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(selector) = compiled.get(expression) {
        return selector.clone();
    }
    let selector = compile(expression);
    if compiled.len() >= COMPILED_MAX {
        compiled.clear();
    }
    compiled.insert(expression.into(), selector.clone());
    selector
}

fn compile(expression: &str) -> DeviceSelector {
    let condition = on_large_stack(|| guarded(|| Condition::new(expression)));
    DeviceSelector::new(expression, move |driver: &str, device: &Device| {
        let condition = condition.as_ref().map_err(|error| format!("compile error: {error}"))?;
        guarded(|| condition.holds(driver, device))
    })
}

/// An expression that may be evaluated.
struct Condition(IdedExpr);

impl Condition {
    fn new(expression: &str) -> Result<Self, String> {
        bounds::check_text(expression)?;
        let program = Program::compile(expression).map_err(|error| error.to_string())?;
        bounds::check(program.expression())?;
        let mut expression = program.expression().clone();
        device::default_domains(&mut expression);
        Ok(Self(expression))
    }

    fn holds(&self, driver: &str, device: &Device) -> Result<bool, String> {
        let mut context = FUNCTIONS.new_inner_scope();
        context.add_variable_from_value("device", device::value(&FUNCTIONS, driver, device)?);
        match context.resolve(&self.0) {
            Ok(Value::Bool(met)) => Ok(met),
            Ok(other) => Err(format!("the expression must be a bool, not {}", other.type_of())),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The parser takes 130 KiB of stack for a bracket (unoptimised), and accepts 96 of them.
fn on_large_stack<T: Send>(work: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| format!("no thread to read it on: {error}"))?;
        thread.join().unwrap_or_else(|_| Err(FAILED.to_owned()))
    })
}

/// A panic of the interpreter is an error of the expression, not the end of the scheduler.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(FAILED.to_owned()))
}

#[cfg(test)]
mod tests;
