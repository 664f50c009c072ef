//! The rivals without watches, history or waiting writers: bare stores, each at its best, and a bare file, which is what
//! the medium allows. One thread has all records of a group at hand, and waits for nobody.

use super::{key, rate, scatter, value};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Instant;

/// Records of a group, and different keys among all of them: as many as 64 writers of ours have.
const GROUP: usize = 64;
const KEYS: usize = 6400;

/// The bytes of a bare file that is written over and over.
const FILE_BYTES: usize = 64 << 20;

/// Keys and values alone, one write and one sync a group, over what a file has already: no log on this medium is faster.
pub(super) fn file(directory: &Path, puts: usize) -> anyhow::Result<f64> {
    let mut group = Vec::new();
    for i in 0..GROUP {
        group.extend_from_slice(key(i).as_bytes());
        group.extend_from_slice(&value().bytes);
    }
    let mut file = File::create(directory.join("file"))?;
    let groups_in_file = FILE_BYTES / group.len();
    for _ in 0..groups_in_file {
        file.write_all(&group)?;
    }
    file.sync_all()?;
    let start = Instant::now();
    for number in 0..puts.div_ceil(GROUP) {
        if number % groups_in_file == 0 {
            file.seek(SeekFrom::Start(0))?;
        }
        file.write_all(&group)?;
        file.sync_data()?;
    }
    Ok(rate(puts.div_ceil(GROUP) * GROUP, start))
}

/// Durable puts with redb, one transaction a group.
pub(super) fn redb(directory: &Path, puts: usize) -> anyhow::Result<f64> {
    const TABLE: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("objects");
    let database = redb::Database::create(directory.join("redb"))?;
    let value = value();
    let start = Instant::now();
    for group in 0..puts.div_ceil(GROUP) {
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for i in group * GROUP..(group + 1) * GROUP {
                table.insert(&*key(scatter(i, KEYS)), &*value.bytes)?;
            }
        }
        transaction.commit()?;
    }
    Ok(rate(puts.div_ceil(GROUP) * GROUP, start))
}

/// Durable puts with fjall, one batch and one sync of its journal a group.
pub(super) fn fjall(directory: &Path, puts: usize) -> anyhow::Result<f64> {
    use fjall::{Database, KeyspaceCreateOptions, PersistMode};
    let database = Database::builder(directory.join("fjall")).open()?;
    let objects = database.keyspace("objects", KeyspaceCreateOptions::default)?;
    let value = value();
    let start = Instant::now();
    for group in 0..puts.div_ceil(GROUP) {
        let mut batch = database.batch().durability(Some(PersistMode::SyncData));
        for i in group * GROUP..(group + 1) * GROUP {
            batch.insert(&objects, key(scatter(i, KEYS)), &*value.bytes);
        }
        batch.commit()?;
    }
    Ok(rate(puts.div_ceil(GROUP) * GROUP, start))
}
