//! Headers and frames: there and back, and every bit counts.

use super::{
    Candidate, FILE_HEADER, FRAME_HEADER, FileHeader, FileKind, FrameHeader, FrameKind, HeaderError, VERSION,
    VERSION_OLDEST, begin, finish, proves_durable,
};

const SALT: u32 = 0xdead_beef;

fn frame(payload: &[u8], synced: u64) -> Vec<u8> {
    let mut buffer = Vec::new();
    begin(&mut buffer);
    buffer.extend_from_slice(payload);
    finish(&mut buffer, SALT, FrameHeader { kind: FrameKind::Records, revision: 7, synced, records: 2 });
    buffer
}

fn is_intact(salt: u32, bytes: &[u8]) -> bool {
    let Some((header, payload)) = bytes.split_first_chunk::<FRAME_HEADER>() else { return false };
    Candidate::decode(header)
        .is_some_and(|candidate| candidate.length == payload.len() && candidate.is_intact(salt, header, payload))
}

#[test]
fn a_file_header_comes_back_as_it_was() {
    for kind in [FileKind::Log, FileKind::Snapshot, FileKind::Backup] {
        let header = FileHeader { kind, salt: SALT, base: u64::MAX - 1 };
        assert_eq!(FileHeader::decode(kind, &header.encode()), Ok(header));
    }
}

#[test]
fn a_log_over_an_older_file_is_a_log() {
    let header = FileHeader { kind: FileKind::Recycled, salt: SALT, base: 7 };
    assert_eq!(FileHeader::decode(FileKind::Log, &header.encode()), Ok(header));
    for other in [FileKind::Snapshot, FileKind::Backup] {
        assert_eq!(FileHeader::decode(other, &header.encode()), Err(HeaderError::Damaged));
    }
}

#[test]
fn every_bit_of_a_file_header_counts() {
    let bytes = FileHeader { kind: FileKind::Log, salt: SALT, base: 9 }.encode();
    assert_eq!(FileHeader::decode(FileKind::Snapshot, &bytes), Err(HeaderError::Damaged));
    for bit in 0..FILE_HEADER * 8 {
        let mut damaged = bytes;
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(FileHeader::decode(FileKind::Log, &damaged), Err(HeaderError::Damaged), "bit {bit}");
    }
}

#[test]
fn another_version_is_told_from_damage() {
    let header = FileHeader { kind: FileKind::Log, salt: SALT, base: 9 };
    for version in 0..5u32 {
        let mut bytes = header.encode();
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..24]);
        bytes[24..].copy_from_slice(&checksum.to_le_bytes());
        let readable = (VERSION_OLDEST..=VERSION).contains(&version);
        let expected = if readable { Ok(header) } else { Err(HeaderError::Version(version)) };
        assert_eq!(FileHeader::decode(FileKind::Log, &bytes), expected);
        assert_eq!(FileHeader::is_outdated(&bytes), version < VERSION);
    }
}

#[test]
fn every_bit_of_a_frame_counts() {
    let bytes = frame(b"some records", 3);
    assert!(is_intact(SALT, &bytes));
    assert!(!is_intact(SALT + 1, &bytes), "a frame of another file is none of this one");
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_intact(SALT, &damaged), "bit {bit}");
    }
}

#[track_caller]
fn check_proof(offset: u64, bytes: &[u8], expected: bool) {
    let file = FileHeader { kind: FileKind::Log, salt: SALT, base: 7 };
    assert_eq!(proves_durable(offset, &file, bytes), expected);
    let later = FileHeader { base: 8, ..file };
    assert!(!proves_durable(offset, &later, bytes), "frames of before the file are none of it");
}

#[test]
fn only_an_intact_frame_that_says_so_proves_durability() {
    let early = frame(b"written in the same breath", 100);
    let late = frame(b"written after the sync", 200);
    check_proof(100, &[], false);
    check_proof(100, &early, false);
    check_proof(99, &early, true);
    check_proof(100, &late, true);
    check_proof(100, &[&b"\xf5\xf5kkf torn \xf5kkf"[..], &early, &late].concat(), true);
    check_proof(100, &late[..late.len() - 1], false);
    check_proof(100, &late[1..], false);
}
