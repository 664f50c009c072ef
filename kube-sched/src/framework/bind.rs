//! PreBind and PostBind. Bind itself is an effect: whoever drives the engine carries it out (an API server's binding, a
//! row of one's own), between the two.

use super::Refusal;
use crate::model::Pod;
use std::fmt::Debug;

/// Prepares a binding.
pub trait PreBind: Send + Sync + Debug {
    /// The plugin's name.
    fn name(&self) -> &'static str;

    /// The pod is about to be bound to the node.
    ///
    /// # Errors
    /// The refusal; the pod is then tried again.
    fn pre_bind(&self, pod: &Pod, node: &str) -> Result<(), Refusal>;
}

/// Learns of a binding.
pub trait PostBind: Send + Sync + Debug {
    /// The plugin's name.
    fn name(&self) -> &'static str;

    /// The pod was bound to the node.
    fn post_bind(&self, pod: &Pod, node: &str);
}
