//! PrioritySort: the most important pod first; the queue breaks ties by age.

use crate::framework::QueueSort;
use crate::model::Pod;
use std::cmp::Ordering;

/// Orders pods by priority.
#[derive(Clone, Copy, Debug)]
pub struct PrioritySort;

impl QueueSort for PrioritySort {
    fn name(&self) -> &'static str {
        "PrioritySort"
    }

    fn compare(&self, a: &Pod, b: &Pod) -> Ordering {
        b.priority.cmp(&a.priority)
    }

    fn rank(&self, pod: &Pod) -> Option<i64> {
        Some(-i64::from(pod.priority))
    }
}

#[cfg(test)]
mod tests;
