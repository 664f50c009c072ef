//! Data that is not as it was written.

use crate::trace::{Model, Step, Trace, open};
use crate::{long, seeds};
use kubekit_store::Error;
use kubekit_store::medium::Simulated;

/// A medium with a snapshot, complete log files and an open one, closed in order.
async fn written(seed: u64) -> (Simulated, Model) {
    let medium = Simulated::new(seed);
    let mut model = Model::new();
    let store = open(&medium).unwrap();
    for step in Trace::new(seed).filter(|step| !matches!(step, Step::Compact)).take(160) {
        model.run(&store, &step).await.unwrap();
    }
    drop(store);
    (medium, model)
}

/// Opens a medium that was tampered with, where nothing may be missing; `true` when it was noticed: either the store does
/// not start, or it says that something was cut off.
async fn check(medium: &Simulated, model: &Model, place: &str) -> bool {
    match open(medium) {
        Err(Error::Damaged(text)) => {
            assert!(text.contains("backup"), "{place}: it says what to do: {text}");
            true
        }
        Err(error) => panic!("{place}: {error}"),
        Ok(store) => {
            model.check(&store, place).await;
            !store.recovery().in_order
        }
    }
}

/// Bytes of a file up to where it ends, which in a file that is written over another is not the end of its bytes.
fn end(bytes: &[u8]) -> usize {
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let base = number(16);
    let mut end = 28;
    while bytes.get(end..end + 4) == Some(b"\xf5kkf") && number(end + 8) >= base {
        end += 36 + u32::from_le_bytes(bytes[end + 4..end + 8].try_into().unwrap()) as usize;
    }
    end
}

/// Bits that the store reads, and bits that it left in files to be written over.
#[derive(Default)]
struct Bits {
    read: Vec<(String, u64)>,
    left: Vec<(String, u64)>,
}

impl Bits {
    fn of(medium: &Simulated) -> Self {
        let mut found = Self::default();
        for name in medium.names() {
            let bytes = medium.contents(&name).unwrap();
            let end = if name.starts_with("spare-") { 0 } else { 8 * end(&bytes) as u64 };
            let (read, left) = (0..end, end..8 * bytes.len() as u64);
            found.read.extend(read.map(|bit| (name.clone(), bit)));
            found.left.extend(left.map(|bit| (name.clone(), bit)));
        }
        found
    }
}

#[tokio::test(start_paused = true)]
async fn every_flipped_bit_is_noticed() {
    let (flips, lives) = if long() { (10_000, 10) } else { (1500, 5) };
    let (mut refused_or_told, mut recycled, mut left_alone) = (0, 0, 0);
    for seed in seeds("bit flips", lives) {
        let (medium, model) = written(seed).await;
        let names = medium.names();
        assert!(names.iter().any(|name| name.starts_with("snapshot-")), "{names:?}");
        assert!(names.len() >= 2, "{names:?}");
        assert!(!check(&medium.fork(), &model, "not flipped").await, "nothing to notice");
        let bits = Bits::of(&medium);
        let mut random = Trace::new(seed);
        let mut draw = |bits: &[(String, u64)]| {
            let (name, bit) = &bits[usize::try_from(random.below(bits.len() as u64)).unwrap()];
            let damaged = medium.fork();
            damaged.flip_bit(name, *bit);
            (damaged, format!("seed {seed}, {name}, bit {bit}"))
        };
        for _ in 0..flips / lives {
            let (damaged, place) = draw(&bits.read);
            assert!(check(&damaged, &model, &place).await, "{place}: not noticed");
            refused_or_told += 1;
        }
        recycled += u64::from(names.iter().any(|name| medium.contents(name).unwrap().starts_with(b"\xf5kkREC")));
        for _ in 0..if bits.left.is_empty() { 0 } else { 100 } {
            let (damaged, place) = draw(&bits.left);
            assert!(!check(&damaged, &model, &place).await, "{place}: noticed, though nobody reads it");
            left_alone += 1;
        }
    }
    println!("{refused_or_told} bits flipped and noticed; {left_alone} flipped in what files are written over");
    println!("{recycled} of {lives} lives ended in a file over an older one");
    assert!(refused_or_told >= flips && recycled > 0 && left_alone > 0);
}

#[tokio::test(start_paused = true)]
async fn a_missing_file_is_noticed() {
    let (medium, model) = written(3).await;
    for name in medium.names() {
        let damaged = Simulated::new(1);
        for other in medium.names().into_iter().filter(|other| *other != name) {
            damaged.set_contents(&other, medium.contents(&other).unwrap());
        }
        match open(&damaged) {
            Err(Error::Damaged(_)) => {}
            Err(error) => panic!("{error}"),
            // What is kept to be written over is of no other use.
            Ok(store) => {
                assert!(name.starts_with("spare-"), "{name}");
                model.check(&store, &name).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_cut_short_is_noticed_unless_it_is_the_last() {
    let (medium, _) = written(4).await;
    let names = medium.names();
    let last = names.iter().rfind(|name| name.starts_with("log-")).unwrap();
    for name in names.iter().filter(|name| *name != last && !name.starts_with("spare-")) {
        let bytes = medium.contents(name).unwrap();
        for length in (0..bytes.len()).step_by(61) {
            let damaged = medium.fork();
            damaged.set_contents(name, bytes[..length].to_vec());
            let error = open(&damaged).err().unwrap_or_else(|| panic!("{name} cut to {length} bytes is not noticed"));
            assert!(matches!(error, Error::Damaged(_)), "{name} cut to {length} bytes: {error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_torn_tail_is_cut_and_the_log_goes_on() {
    let medium = Simulated::new(1);
    let store = open(&medium).unwrap();
    let mut model = Model::new();
    for i in 0..5u8 {
        model.run(&store, &Step::Put(format!("/p/{i}"), vec![i; 30])).await.unwrap();
    }
    drop(store);
    let name = medium.names().pop().unwrap();
    let whole = medium.contents(&name).unwrap();
    for tail in [&b"\0"[..], &[0; 5000], b"\xf5kkf and some garbage that is longer than the header of a frame"] {
        let torn = medium.fork();
        torn.set_contents(&name, [&whole[..], tail].concat());
        for _ in 0..2 {
            let store = open(&torn).unwrap();
            model.check(&store, "torn tail").await;
        }
        let store = open(&torn).unwrap();
        let mut model = model.clone();
        model.run(&store, &Step::Put("/p/new".to_owned(), vec![1])).await.unwrap();
        drop(store);
        model.check(&open(&torn).unwrap(), "after a torn tail").await;
    }
}

/// A rotation that made the next file and came no further, at the same revision or, where the file could not be taken
/// back durably, a while ago.
#[tokio::test(start_paused = true)]
async fn a_file_that_a_rotation_left_behind_is_removed() {
    let header = |base: u64| {
        let other = Simulated::new(9);
        drop(open(&other).unwrap());
        let mut bytes = other.contents(&other.names()[0]).unwrap();
        bytes.truncate(28);
        bytes[16..24].copy_from_slice(&base.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..24]);
        bytes[24..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    };
    let medium = Simulated::new(1);
    let store = open(&medium).unwrap();
    let mut model = Model::new();
    for i in 0..5u8 {
        model.run(&store, &Step::Put(format!("/p/{i}"), vec![i; 30])).await.unwrap();
    }
    drop(store);
    for base in 2..=8 {
        for whole in [true, false] {
            let tampered = medium.fork();
            let bytes = header(base);
            tampered.set_contents(&format!("log-{base:020}"), if whole { bytes } else { bytes[..9].to_vec() });
            let opened = open(&tampered);
            if base > model.revision {
                // It shows that there were writes that are not there now.
                assert!(matches!(opened, Err(Error::Damaged(_))), "{base}");
                continue;
            }
            model.check(&opened.unwrap(), &format!("{base}")).await;
            assert_eq!(tampered.names().len(), 1, "{base}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_version_is_refused_with_words() {
    let (medium, _) = written(5).await;
    let name = medium.names().into_iter().find(|name| name.starts_with("log-")).unwrap();
    let mut bytes = medium.contents(&name).unwrap();
    bytes[8..12].copy_from_slice(&7u32.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..24]);
    bytes[24..28].copy_from_slice(&checksum.to_le_bytes());
    medium.set_contents(&name, bytes.clone());
    let error = open(&medium).unwrap_err().to_string();
    assert!(error.contains("format version 7; this build reads versions 1 to 3"), "{error}");
    assert_eq!(medium.contents(&name), Some(bytes), "nothing was changed");
}

#[tokio::test(start_paused = true)]
async fn files_of_others_are_left_alone() {
    let (medium, model) = written(6).await;
    medium.set_contents("notes.txt", b"mine".to_vec());
    medium.set_contents("log-7", b"mine".to_vec());
    model.check(&open(&medium).unwrap(), "foreign files").await;
    assert_eq!(medium.contents("notes.txt"), Some(b"mine".to_vec()));
    assert_eq!(medium.contents("log-7"), Some(b"mine".to_vec()));
}

/// The log of one store as a value in another, whose frames all say that they are durable, and a write torn in it.
#[tokio::test(start_paused = true)]
async fn a_value_that_looks_like_a_log_proves_nothing() {
    let medium = Simulated::new(1);
    let store = open(&medium).unwrap();
    let mut model = Model::new();
    model.run(&store, &Step::Put("/p/a".to_owned(), vec![7; 100])).await.unwrap();
    let name = medium.names().pop().unwrap();
    let mut log = medium.contents(&name).unwrap();
    log.truncate(1000);
    let frames = [&[0; 500][..], &log].concat();
    let before = medium.contents(&name).unwrap().len();
    model.run(&store, &Step::Put("/p/b".to_owned(), frames)).await.unwrap();
    drop(store);
    let whole = medium.contents(&name).unwrap();
    model.check(&open(&medium.fork()).unwrap(), "not torn").await;
    // Another salt, as another file would have: the frames in the value are intact, but not of this file.
    let foreign = Simulated::new(2);
    let store = open(&foreign).unwrap();
    let mut model = Model::new();
    model.run(&store, &Step::Put("/p/a".to_owned(), vec![7; 100])).await.unwrap();
    drop(store);
    let name = foreign.names().pop().unwrap();
    let log = foreign.contents(&name).unwrap();
    foreign.set_contents(&name, [&log[..], &whole[before + 200..]].concat());
    model.check(&open(&foreign).unwrap(), "torn").await;
}
