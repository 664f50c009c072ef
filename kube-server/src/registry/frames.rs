//! The frames of watch events that are kept to be shared: the newest, because all who watch take an event at about the
//! same time.

use bytes::Bytes;
use kubekit_store::Entry;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

/// How much is kept: some thousand objects of the usual size. Without a bound, frames would double what the history holds.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Which versions have frames.
#[derive(Debug, Default)]
pub(super) struct Frames(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The oldest first, with the length of the frame.
    versions: VecDeque<(Weak<Entry>, usize)>,
    bytes: usize,
}

impl Frames {
    /// The frame of a version, made by `make` where nobody has made it lately.
    pub(super) fn shared(&self, entry: &Arc<Entry>, slot: usize, make: impl FnOnce(&Entry) -> Bytes) -> Bytes {
        let mut made = None;
        let frame = entry.derived(slot, |entry| {
            let frame = make(entry);
            made = Some(frame.len());
            frame
        });
        if let Some(bytes) = made {
            self.keep(entry, bytes);
        }
        frame
    }

    fn keep(&self, entry: &Arc<Entry>, bytes: usize) {
        let mut kept = self.0.lock();
        kept.versions.push_back((Arc::downgrade(entry), bytes));
        kept.bytes += bytes;
        while kept.bytes > KEPT_BYTES_MAX
            && let Some((oldest, bytes)) = kept.versions.pop_front()
        {
            kept.bytes -= bytes;
            if let Some(oldest) = oldest.upgrade() {
                oldest.forget_derived();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! What is shared, and what is forgotten.

    use super::*;
    use kubekit_store::{Attributes, Value};

    fn entry(revision: u64) -> Arc<Entry> {
        let value = Value { bytes: Bytes::from_static(b"{}"), splice: 1 };
        Arc::new(Entry::new("/k".into(), value, revision, Attributes::default()))
    }

    #[test]
    fn a_frame_is_made_once_and_kept_while_it_is_new() {
        let frames = Frames::default();
        let first = entry(1);
        let large = |_: &Entry| Bytes::from(vec![b'x'; KEPT_BYTES_MAX / 2]);
        assert_eq!(frames.shared(&first, 0, |_| Bytes::from_static(b"one")), "one");
        assert_eq!(frames.shared(&first, 0, |_| panic!("it was made before")), "one");
        let others: Vec<_> = (2..5).map(entry).collect();
        frames.shared(&others[0], 0, large);
        assert_eq!(frames.shared(&first, 0, |_| panic!("there is room for both")), "one");
        frames.shared(&others[1], 0, large);
        assert_eq!(frames.shared(&first, 0, |_| Bytes::from_static(b"again")), "again");
        frames.shared(&others[2], 0, large);
        assert!(frames.0.lock().bytes <= KEPT_BYTES_MAX);
    }

    #[test]
    fn versions_that_are_gone_are_forgotten() {
        let frames = Frames::default();
        for revision in 1..10 {
            let frame = frames.shared(&entry(revision), 0, |_| Bytes::from(vec![0; KEPT_BYTES_MAX / 2 + 1]));
            assert!(!frame.is_empty());
        }
        let kept = frames.0.lock();
        assert_eq!((kept.versions.len(), kept.bytes), (1, KEPT_BYTES_MAX / 2 + 1));
    }
}
