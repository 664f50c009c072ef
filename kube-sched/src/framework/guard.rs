//! A plugin that panics has failed, and nothing else has.

use super::{Code, Refusal};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the plugin's code gives.
///
/// # Errors
/// A refusal with [`Code::Error`] when it panics.
pub(crate) fn guard<T>(plugin: &'static str, call: impl FnOnce() -> T) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let message = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Refusal { plugin, code: Code::Error, reasons: vec![format!("plugin {plugin} panicked: {message}").into()] }
    })
}
