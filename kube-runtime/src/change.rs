//! What an informer tells its subscribers.

mod mailbox;

pub(crate) use mailbox::Mailbox;

use crate::informer::Handle;
use crate::object::{Object, ObjectKey};
use futures::Stream;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// One object changed.
#[derive(Debug)]
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

impl<K> Clone for Change<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Applied { old, new } => Self::Applied { old: old.clone(), new: Arc::clone(new) },
            Self::Deleted(object) => Self::Deleted(Arc::clone(object)),
        }
    }
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

/// A subscription: every change after those that the subscriber has taken, those of one object in the order in which they
/// happened. Changes of one object that wait to be taken are merged into one from the last state taken to the newest;
/// creations and deletions are kept apart, so that they can be counted. Ends when the informer has stopped.
pub struct Changes<K: Object> {
    mailbox: Arc<Mailbox<K>>,
    /// Keeps the watch going.
    _informer: Arc<Handle<K>>,
}

impl<K: Object> Changes<K> {
    pub(crate) fn new(mailbox: Arc<Mailbox<K>>, informer: Arc<Handle<K>>) -> Self {
        Self { mailbox, _informer: informer }
    }
}

impl<K: Object> fmt::Debug for Changes<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").finish_non_exhaustive()
    }
}

impl<K: Object> Stream for Changes<K> {
    type Item = Change<K>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Change<K>>> {
        self.mailbox.poll(context)
    }
}
