//! Remembers what a score came to: many nodes have the same to spare, and most do not change between two pods of a class.

use super::{Spare, spare::cpu_of};
use crate::model::{GpuRequest, Pod};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Entries per class of pods beyond which its memory is emptied: a few MiB.
const ENTRIES_MAX: usize = 1 << 15;
/// Classes of pods beyond which all memory is emptied.
const CLASSES_MAX: usize = 1 << 10;

/// What scoring sees of a pod.
type Class = (i64, Option<Arc<GpuRequest>>);

/// Results by class of pods and by what a node has to spare. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Memo(Arc<Mutex<HashMap<Class, ClassMemo>>>);

/// Results for one class of pods.
#[derive(Clone, Debug, Default)]
pub(super) struct ClassMemo(Arc<Mutex<HashMap<Spare, i64>>>);

impl Memo {
    /// The memory of a pod's class.
    pub(super) fn class(&self, pod: &Pod) -> ClassMemo {
        let mut classes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if classes.len() > CLASSES_MAX {
            classes.clear();
        }
        classes.entry((cpu_of(pod), pod.gpu.clone())).or_default().clone()
    }
}

impl ClassMemo {
    /// What was computed for this before, or what `compute` gives now.
    pub(super) fn get(&self, spare: Spare, compute: impl FnOnce(&Spare) -> i64) -> i64 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(result) = known.get(&spare) {
            return *result;
        }
        let result = compute(&spare);
        if known.len() > ENTRIES_MAX {
            known.clear();
        }
        known.insert(spare, result);
        result
    }
}
