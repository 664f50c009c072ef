//! SchedulingGates: holds pods back while `spec.schedulingGates` is not empty. Source: KEP-3521.

use crate::framework::{PreEnqueue, Refusal};
use crate::model::Pod;

/// Holds gated pods back.
#[derive(Clone, Copy, Debug)]
pub struct SchedulingGates;

impl PreEnqueue for SchedulingGates {
    fn name(&self) -> &'static str {
        "SchedulingGates"
    }

    fn pre_enqueue(&self, pod: &Pod) -> Result<(), Refusal> {
        if pod.gates.is_empty() {
            return Ok(());
        }
        let gates = format!("waiting for scheduling gates: [{}]", pod.gates.join(" "));
        Err(Refusal::unresolvable(self.name(), gates))
    }
}

#[cfg(test)]
mod tests;
