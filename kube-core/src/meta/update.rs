//! What an update keeps of the metadata of the stored object.

use serde_json::Value;

/// Restores what an update may leave out or may not change: uid, creationTimestamp, generation, deletion marks.
pub fn prepare_update(new: &mut Value, old: &Value) {
    let _ = (new, old);
    todo!()
}

/// Counts the generation up where anything outside metadata and status changed. Called after the kind's own
/// `prepare_update` and defaults.
pub fn advance_generation(new: &mut Value, old: &Value) {
    let _ = (new, old);
    todo!()
}
