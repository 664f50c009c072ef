//! Where objects *live*: a revisioned key-value store with compare-and-swap, consistent lists and gap-free watches.
//!
//! Start at [`Store`], whose documentation is the contract. [`Memory`] and [`Disk`] implement it over one MVCC index.
//! The crate knows neither kinds nor HTTP: keys are strings, values are opaque bytes, and selectors are answered from
//! [`Attributes`], which the caller extracts.

mod attributes;
pub mod backup;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod disk;
pub mod encryption;
mod engine;
mod entry;
mod error;
#[cfg(feature = "etcd")]
pub mod etcd;
mod event;
#[cfg(any(feature = "etcd", feature = "kms"))]
mod grpc;
mod index;
mod limits;
mod memory;
mod request;
mod store;
mod stored;
mod varint;

pub use attributes::{Attributes, Extractor, Operator, Requirement, Selector};
pub use config::{Config, History, WallClock};
pub use disk::{CommitMode, Disk, Recovery, medium};
pub use encryption::Encryption;
pub use entry::{Entry, Value};
pub use error::{Error, Result};
#[cfg(feature = "etcd")]
pub use etcd::Etcd;
pub use event::{Event, EventKind, Watch};
pub use limits::{ATTRIBUTE_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
pub use memory::Memory;
pub use request::{ListRequest, Listing, Op, Precondition, ReadAt, Remaining, Txn, TxnOutcome, WatchRequest};
pub use store::{EMPTY_REVISION, Store};

/// A revision: the count of transactions that the store has committed. It is the `resourceVersion` of Kubernetes.
pub type Revision = u64;
