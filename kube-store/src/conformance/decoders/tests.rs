//! Random bytes, and good ones with a change.

use super::DECODERS;
use crate::disk::frame::{self, FILE_HEADER, FileHeader, FileKind, FrameHeader, FrameKind};
use crate::disk::record;
use crate::{Attributes, Encryption, Entry, Value, stored};
use proptest::prelude::*;
use std::sync::Arc;

/// Valid inputs, from which the changed ones are made: a header, a record, a stored form, a frame of the salt that the
/// decoders try, a name.
fn seeds() -> Vec<Vec<u8>> {
    let value = Value { bytes: "{\"kind\":\"Pod\"}".into(), splice: 1 };
    let attributes = Attributes::new([("label:app", "web"), ("field:spec.nodeName", "a")]);
    let mut form = Vec::new();
    stored::encode(&value, &attributes, &mut form);
    let entry = Entry::new(Arc::from("/registry/pods/a/b"), value, 2, attributes);
    let mut put = Vec::new();
    record::encode_entry(&entry, &Encryption::default(), &mut put).unwrap();
    let framed = |kind, payload: &[u8], records| {
        let mut buffer = Vec::new();
        frame::begin(&mut buffer);
        buffer.extend_from_slice(payload);
        frame::finish(&mut buffer, 0, FrameHeader { kind, revision: 2, synced: FILE_HEADER as u64, records });
        buffer
    };
    let log = framed(FrameKind::Records, &put, 1);
    let state = [log.clone(), framed(FrameKind::End, &[], 1)].concat();
    let header = FileHeader { kind: FileKind::Log, salt: 0, base: 1 }.encode().to_vec();
    let taken = [framed(FrameKind::Taken, &[0; 8], 0), log.clone()].concat();
    let names = [&b"log-00000000000000000001"[..], b"spare-00000000000000000001"].map(<[u8]>::to_vec);
    [form, put, log, state, header, taken].into_iter().chain(names).collect()
}

#[test]
fn good_input_is_accepted_by_each() {
    for seed in seeds() {
        DECODERS.iter().for_each(|(_, decode)| decode(&seed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_bring_none_down(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        DECODERS.iter().for_each(|(_, decode)| decode(&bytes));
    }

    #[test]
    fn changed_bytes_bring_none_down(
        seed in prop::sample::select(seeds()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = seed;
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        bytes.extend(tail);
        DECODERS.iter().for_each(|(_, decode)| decode(&bytes));
    }
}
