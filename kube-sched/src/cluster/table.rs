//! The nodes in the order of their names, in chunks that forks share until one of them writes.
//!
//! A node's position (chunk and place in it) is what indexes are kept by. It holds until a node with a new name comes: a
//! node that goes leaves its place empty, so that it finds it again, and so that a failing node costs indexes one update.

use super::info::{GONE, NodeInfo, NodeRow};
use crate::framework::Names;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Places of a chunk.
pub(crate) const CHUNK: usize = 64;

/// Where a node is: the number of its chunk times [`CHUNK`], plus its place in the chunk.
pub(crate) type Position = u32;

#[derive(Clone, Debug, Default)]
struct Chunk {
    names: Vec<Arc<str>>,
    rows: Vec<NodeRow>,
    infos: Vec<Arc<NodeInfo>>,
}

#[derive(Clone, Debug)]
struct Slot {
    first: Arc<str>,
    chunk: Arc<Chunk>,
}

/// All nodes.
#[derive(Clone, Debug)]
pub(crate) struct NodeTable {
    slots: Arc<Vec<Slot>>,
    live: usize,
    gone: usize,
    layout: u64,
    guess: Guess,
}

/// The position that is most likely looked for next: a search by name among a million nodes waits for memory a dozen times.
/// Any value is right, since the name there is compared.
#[derive(Debug, Default)]
struct Guess(AtomicU32);

impl Clone for Guess {
    fn clone(&self) -> Self {
        Self(AtomicU32::new(self.0.load(Ordering::Relaxed)))
    }
}

/// A number that no other call has given.
pub(crate) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn position(chunk: usize, place: usize) -> Position {
    Position::try_from(chunk * CHUNK + place).expect("a cluster has fewer than 2^32 nodes")
}

fn split(position: Position) -> (usize, usize) {
    (position as usize / CHUNK, position as usize % CHUNK)
}

impl Default for NodeTable {
    fn default() -> Self {
        Self { slots: Arc::default(), live: 0, gone: 0, layout: unique(), guess: Guess::default() }
    }
}

impl NodeTable {
    /// Number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Positions are comparable between tables that give the same number.
    pub(crate) fn layout(&self) -> u64 {
        self.layout
    }

    /// All positions are below this.
    pub(crate) fn positions(&self) -> usize {
        self.slots.len() * CHUNK
    }

    /// Where a node is, unless it is gone.
    pub(crate) fn find(&self, name: &str) -> Option<Position> {
        let guess = self.guess.0.load(Ordering::Relaxed);
        let (chunk, place) = match split(guess) {
            (chunk, place) if self.name(guess).is_some_and(|other| **other == *name) => (chunk, place),
            _ => self.place(name).ok()?,
        };
        (!self.slots[chunk].chunk.rows[place].is_gone()).then(|| position(chunk, place))
    }

    /// The name at a position, also of a node that is gone.
    pub(crate) fn name(&self, position: Position) -> Option<&Arc<str>> {
        let (chunk, place) = split(position);
        self.slots.get(chunk)?.chunk.names.get(place)
    }

    /// Says that the node at a position will probably be looked for next.
    pub(crate) fn expect(&self, position: Position) {
        self.guess.0.store(position, Ordering::Relaxed);
    }

    /// Where a name is, or is to be put.
    fn place(&self, name: &str) -> Result<(usize, usize), (usize, usize)> {
        let chunk = self.slots.partition_point(|slot| &*slot.first <= name).saturating_sub(1);
        let Some(slot) = self.slots.get(chunk) else { return Err((0, 0)) };
        match slot.chunk.names.binary_search_by(|other| (**other).cmp(name)) {
            Ok(place) => Ok((chunk, place)),
            Err(place) => Err((chunk, place)),
        }
    }

    /// The node at a position; also one that is gone.
    pub(crate) fn info(&self, position: Position) -> &Arc<NodeInfo> {
        let (chunk, place) = split(position);
        &self.slots[chunk].chunk.infos[place]
    }

    /// The row at a position; `None` past the end of a chunk.
    pub(crate) fn row(&self, position: Position) -> Option<&NodeRow> {
        let (chunk, place) = split(position);
        self.slots.get(chunk)?.chunk.rows.get(place)
    }

    /// The rows of all chunks, in order.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (&[NodeRow], &[Arc<NodeInfo>])> {
        self.slots.iter().map(|slot| (slot.chunk.rows.as_slice(), slot.chunk.infos.as_slice()))
    }

    /// The names at all positions; past the end of a chunk the name before is repeated.
    pub(crate) fn names(&self) -> Names {
        let chunks = self.slots.iter().map(|slot| &slot.chunk.names);
        let padded = chunks.flat_map(|names| {
            let last = names.last().expect("no chunk is empty");
            names.iter().chain(std::iter::repeat_n(last, CHUNK - names.len()))
        });
        padded.cloned().collect()
    }

    /// All nodes, in the order of names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &NodeInfo> {
        self.chunks()
            .flat_map(|(rows, infos)| rows.iter().zip(infos).filter(|(row, _)| !row.is_gone()).map(|(_, info)| &**info))
    }

    /// The positions of all nodes, in the order of names.
    pub(crate) fn live(&self) -> impl Iterator<Item = Position> {
        self.slots.iter().enumerate().flat_map(|(chunk, slot)| {
            let rows = slot.chunk.rows.iter().enumerate();
            rows.filter(|(_, row)| !row.is_gone()).map(move |(place, _)| position(chunk, place))
        })
    }

    /// Changes a node and its row.
    pub(crate) fn change<T>(&mut self, position: Position, change: impl FnOnce(&mut NodeInfo, &mut NodeRow) -> T) -> T {
        let (chunk, place) = split(position);
        let chunk = Arc::make_mut(&mut Arc::make_mut(&mut self.slots)[chunk].chunk);
        let (info, row) = (Arc::make_mut(&mut chunk.infos[place]), &mut chunk.rows[place]);
        let result = change(info, row);
        row.read(info);
        result
    }

    /// Adds a node, of which no other of this name is there. Positions hold when it takes the place of one that is gone.
    pub(crate) fn insert(&mut self, info: NodeInfo, profile: u32, spec: u32) -> Position {
        self.live += 1;
        let name = info.node().name.clone();
        let mut row = NodeRow::of(&info);
        (row.profile, row.spec) = (profile, spec);
        match self.place(&name) {
            Ok((chunk, place)) => {
                self.gone -= 1;
                let found = Arc::make_mut(&mut Arc::make_mut(&mut self.slots)[chunk].chunk);
                found.infos[place] = Arc::new(info);
                found.rows[place] = row;
                position(chunk, place)
            }
            Err((chunk, place)) => {
                self.layout = unique();
                self.insert_at(chunk, place, name, Arc::new(info), row)
            }
        }
    }

    fn insert_at(&mut self, chunk: usize, place: usize, name: Arc<str>, info: Arc<NodeInfo>, row: NodeRow) -> Position {
        let slots = Arc::make_mut(&mut self.slots);
        let (mut chunk, mut place) = (chunk, place);
        match slots.get_mut(chunk) {
            None => slots.push(Slot { first: name.clone(), chunk: Arc::default() }),
            Some(slot) if slot.chunk.names.len() == CHUNK => {
                // Names that come in order fill their chunks; others leave room on both sides.
                let at = if place == CHUNK { CHUNK } else { CHUNK / 2 };
                let old = Arc::make_mut(&mut slot.chunk);
                let new = Chunk {
                    names: old.names.split_off(at),
                    rows: old.rows.split_off(at),
                    infos: old.infos.split_off(at),
                };
                let first = new.names.first().unwrap_or(&name).clone();
                slots.insert(chunk + 1, Slot { first, chunk: Arc::new(new) });
                if place >= at {
                    (chunk, place) = (chunk + 1, place - at);
                }
            }
            Some(_) => {}
        }
        let slot = &mut slots[chunk];
        if place == 0 {
            slot.first = name.clone();
        }
        let target = Arc::make_mut(&mut slot.chunk);
        target.names.insert(place, name);
        target.rows.insert(place, row);
        target.infos.insert(place, info);
        position(chunk, place)
    }

    /// Leaves the place of a node empty.
    pub(crate) fn remove(&mut self, position: Position) {
        let (chunk, place) = split(position);
        let chunk = Arc::make_mut(&mut Arc::make_mut(&mut self.slots)[chunk].chunk);
        let node = chunk.infos[place].shared_node().clone();
        chunk.infos[place] = Arc::new(NodeInfo::new(node));
        chunk.rows[place] = NodeRow::of(&chunk.infos[place]);
        chunk.rows[place].profile = GONE;
        self.live -= 1;
        self.gone += 1;
        if self.gone > 2 * self.live + CHUNK {
            self.compact();
        }
    }

    /// Makes whoever keeps things by position look at all nodes again.
    pub(crate) fn forget_positions(&mut self) {
        self.layout = unique();
    }

    /// Gives up the empty places.
    fn compact(&mut self) {
        let mut slots: Vec<Slot> = Vec::new();
        for (rows, infos) in self.chunks() {
            for (row, info) in rows.iter().zip(infos).filter(|(row, _)| !row.is_gone()) {
                let name = info.node().name.clone();
                if slots.last().is_none_or(|slot| slot.chunk.names.len() == CHUNK) {
                    slots.push(Slot { first: name.clone(), chunk: Arc::default() });
                }
                let slot = slots.last_mut().expect("one was pushed");
                let chunk = Arc::make_mut(&mut slot.chunk);
                chunk.names.push(name);
                chunk.rows.push(*row);
                chunk.infos.push(info.clone());
            }
        }
        self.slots = Arc::new(slots);
        self.gone = 0;
        self.layout = unique();
    }
}

#[cfg(test)]
mod tests;
