//! The rivals without watches, history or waiting writers: bare stores, each at its best. One thread has all records of a
//! group at hand, and waits for nobody.

use super::{key, rate, scatter, value};
use std::path::Path;
use std::time::Instant;

/// Records of a group, and different keys among all of them: as many as 64 writers of ours have.
const GROUP: usize = 64;
const KEYS: usize = 6400;

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
