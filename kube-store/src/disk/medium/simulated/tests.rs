//! What a simulated medium keeps, and what it loses.

use super::{Fault, SECTOR, Simulated};
use crate::disk::medium::{Medium, MediumFile};
use std::io::ErrorKind;

const NAME: &str = "file";

/// A medium with one file, which is durable.
fn medium(seed: u64, bytes: &[u8]) -> Simulated {
    let medium = Simulated::new(seed);
    medium.set_contents(NAME, bytes.to_vec());
    medium
}

fn contents(medium: &Simulated) -> Vec<u8> {
    medium.contents(NAME).unwrap()
}

/// What the file may be after a machine stopped that did this to it.
#[track_caller]
fn check(before: &[u8], act: impl Fn(&Simulated), allowed: impl Fn(&[u8]) -> bool, kinds: usize) {
    let mut found = std::collections::BTreeSet::new();
    for seed in 1..400 {
        let medium = medium(seed, before);
        act(&medium);
        medium.restart();
        let left = contents(&medium);
        assert!(allowed(&left), "seed {seed}: {} bytes, {:?}", left.len(), left.first());
        found.insert(left);
    }
    assert!(found.len() >= kinds, "only {} of {kinds} outcomes", found.len());
}

fn overwrite(medium: &Simulated, bytes: &[u8]) -> Box<dyn MediumFile> {
    let mut file = medium.overwrite(NAME).unwrap();
    file.append(bytes).unwrap();
    file
}

#[test]
fn what_was_synced_stays() {
    let synced = |medium: &Simulated| overwrite(medium, &[2; 3 * SECTOR]).sync().unwrap();
    check(&[1; 4 * SECTOR], synced, |left| left == [vec![2; 3 * SECTOR], vec![1; SECTOR]].concat(), 1);
}

#[test]
fn what_was_written_over_is_old_or_new_by_sectors() {
    let torn = |left: &[u8]| left.chunks(SECTOR).all(|sector| sector == [1; SECTOR] || sector == [2; SECTOR]);
    check(&[1; 3 * SECTOR], |medium| drop(overwrite(medium, &[2; 3 * SECTOR])), torn, 8);
}

#[test]
fn what_goes_beyond_the_end_may_be_missing() {
    let allowed = |left: &[u8]| (SECTOR..=2 * SECTOR).contains(&left.len());
    check(&[1; SECTOR], |medium| drop(overwrite(medium, &[2; 2 * SECTOR])), allowed, 3);
}

#[test]
fn what_was_cut_off_may_be_back_until_it_is_synced() {
    let cut = |medium: &Simulated| overwrite(medium, &[1; 10]).truncate(10).unwrap();
    check(&[1; 100], cut, |left| [10, 100].contains(&left.len()), 2);
    let synced = |medium: &Simulated| {
        let mut file = overwrite(medium, &[1; 10]);
        file.truncate(10).unwrap();
        file.sync().unwrap();
    };
    check(&[1; 100], synced, |left| left.len() == 10, 1);
}

#[test]
fn writing_over_needs_no_room() {
    let medium = medium(1, &[1; 100]);
    medium.inject(Fault::Capacity(100));
    let mut file = overwrite(&medium, &[2; 90]);
    let error = file.append(&[3; 11]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(contents(&medium), [vec![2; 90], vec![3; 10]].concat(), "a part of it was written");
}

#[test]
fn a_failed_sync_leaves_what_was_there() {
    let medium = medium(1, &[1; 100]);
    let mut file = overwrite(&medium, &[2; 50]);
    medium.inject(Fault::SyncFails);
    assert!(file.sync().is_err());
    assert_eq!(contents(&medium), [1; 100]);
}

#[test]
fn after_a_cut_it_goes_on_at_the_end() {
    let medium = medium(1, &[1; 100]);
    let mut file = overwrite(&medium, &[2; 50]);
    file.truncate(20).unwrap();
    file.append(&[3; 5]).unwrap();
    assert_eq!(contents(&medium), [vec![2; 20], vec![3; 5]].concat());
    assert_eq!(file.len().unwrap(), 25);
}
