//! What an informer tells its subscribers.

use crate::object::{Object, ObjectKey};
use futures::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// One object changed.
#[derive(Clone, Debug)]
pub enum Change<K> {
    /// It was created or changed, or was there when the subscription began.
    Applied {
        /// What the subscriber was told before; none if nothing.
        old: Option<Arc<K>>,
        /// What is there now.
        new: Arc<K>,
    },
    /// It is gone. This is its last known state, which after a break in the watch may be old.
    Deleted(Arc<K>),
}

impl<K: Object> Change<K> {
    /// The object: as it is, or as it was when it was deleted.
    pub fn object(&self) -> &Arc<K> {
        match self {
            Self::Applied { new, .. } | Self::Deleted(new) => new,
        }
    }

    /// Its key.
    pub fn key(&self) -> ObjectKey {
        self.object().key()
    }

    /// Whether the subscriber had not seen it before.
    pub fn is_creation(&self) -> bool {
        matches!(self, Self::Applied { old: None, .. })
    }
}

/// A subscription: every change after those that the subscriber has taken, in the order in which they happened. Changes
/// of one object that wait to be taken are merged into one from the last state taken to the newest; creations and
/// deletions are not. Ends when the informer has stopped.
#[derive(Debug)]
pub struct Changes<K> {
    marker: std::marker::PhantomData<fn() -> K>,
}

impl<K: Object> Stream for Changes<K> {
    type Item = Change<K>;

    fn poll_next(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<Change<K>>> {
        todo!()
    }
}
