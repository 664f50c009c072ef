//! The scores of one class by position, and over them a tree that knows the best and how many have it.
//!
//! A tree of fan-out 64: one change is a few additions a level, until the last of the best is gone and 64 children are
//! looked at. It takes 2 bytes a node and an eighth of a byte for the tree, which keeps a hundred classes of a million
//! nodes in memory; a binary tree would take eight times as much and touch five times as many lines of the cache.

const FAN_OUT: usize = 64;
/// So many counts are added up at once, without a branch for each, where one of them is looked for.
const STEP: usize = 16;

/// The score of a node that cannot take the pod.
pub(super) const NONE: i16 = i16::MIN;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Best {
    score: i16,
    count: u32,
}

const NOBODY: Best = Best { score: NONE, count: 0 };

impl Best {
    fn of(score: i16) -> Self {
        Self { score, count: u32::from(score != NONE) }
    }
}

/// The best of each 64 entries of the level below, with places for a multiple of 64: any 64 are an array, which is compared
/// at once. Scores and counts lie apart for the same reason.
#[derive(Clone, Debug, Default)]
struct Level {
    scores: Vec<i16>,
    counts: Vec<u32>,
}

impl Level {
    fn get(&self, at: usize) -> Best {
        Best { score: self.scores[at], count: self.counts[at] }
    }

    fn set(&mut self, at: usize, best: Best) {
        (self.scores[at], self.counts[at]) = (best.score, best.count);
    }

    /// The best of the 64 entries from `start` on.
    fn best(&self, start: usize) -> Best {
        let (scores, counts) = (window(&self.scores, start), window(&self.counts, start));
        let score = max(scores);
        Best { score, count: sum(scores, counts, score) }
    }

    /// Which of the 64 entries from `start` on counts the `n`-th with this score, and how many it counts before that one.
    fn nth(&self, start: usize, score: i16, n: u32) -> Option<(usize, u32)> {
        let (scores, counts) = (window(&self.scores, start), window(&self.counts, start));
        let steps = scores.as_chunks::<STEP>().0.iter().zip(counts.as_chunks::<STEP>().0);
        let (step, n) = nth(n, steps.map(|(scores, counts)| sum(scores, counts, score)))?;
        let rest = scores.iter().zip(counts).skip(step * STEP);
        let (child, n) = nth(n, rest.map(|(other, count)| if *other == score { *count } else { 0 }))?;
        Some((start + step * STEP + child, n))
    }
}

impl FromIterator<Best> for Level {
    fn from_iter<T: IntoIterator<Item = Best>>(bests: T) -> Self {
        let (mut scores, mut counts): (Vec<_>, Vec<_>) = bests.into_iter().map(|best| (best.score, best.count)).unzip();
        scores.resize(scores.len().next_multiple_of(FAN_OUT), NONE);
        counts.resize(scores.len(), 0);
        Self { scores, counts }
    }
}

/// Scores by position; 0 or more, or [`NONE`].
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    scores: Vec<i16>,
    /// Each level sums up 64 of the one below; the last has one entry, and none when there are no positions.
    levels: Vec<Level>,
    feasible: usize,
}

impl Index {
    /// Takes over all scores; positions are added up to a multiple of 64.
    pub(super) fn fill(&mut self, scores: Vec<i16>) {
        self.feasible = scores.iter().filter(|score| **score != NONE).count();
        self.scores = scores;
        self.scores.resize(self.scores.len().next_multiple_of(FAN_OUT), NONE);
        self.levels.clear();
        let mut count = self.scores.len() / FAN_OUT;
        let mut level: Level = self.scores.as_chunks().0.iter().map(best_score).collect();
        while count > 1 {
            let above = (0..count).step_by(FAN_OUT).map(|start| level.best(start)).collect();
            count = count.div_ceil(FAN_OUT);
            self.levels.push(std::mem::replace(&mut level, above));
        }
        self.levels.push(level);
    }

    /// How much memory it takes, in bytes, but for the tree, which is small.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.scores[..])
    }

    /// All scores.
    pub(super) fn scores(&self) -> &[i16] {
        &self.scores
    }

    /// Number of nodes that can take the pod.
    pub(super) fn feasible(&self) -> usize {
        self.feasible
    }

    pub(super) fn get(&self, position: usize) -> i16 {
        self.scores[position]
    }

    /// Reads what changing this score will read.
    pub(super) fn touch(&self, position: u32) -> i16 {
        let at = position as usize;
        let above = self.levels.first().and_then(|level| level.scores.get(at / FAN_OUT));
        above.copied().unwrap_or(NONE) ^ self.scores.get(at).copied().unwrap_or(NONE)
    }

    /// Changes one score.
    pub(super) fn set(&mut self, position: usize, score: i16) {
        let old = std::mem::replace(&mut self.scores[position], score);
        if old == score {
            return;
        }
        self.feasible = self.feasible + usize::from(score != NONE) - usize::from(old != NONE);
        let (mut old, mut new, mut at) = (Best::of(old), Best::of(score), position);
        for level in 0..self.levels.len() {
            let children = at / FAN_OUT * FAN_OUT;
            at /= FAN_OUT;
            let before = self.levels[level].get(at);
            let mut after = before;
            if new.score > before.score {
                after = new;
            } else {
                if old.score == before.score {
                    after.count -= old.count;
                }
                if new.score == before.score {
                    after.count += new.count;
                }
                if after.count == 0 {
                    after = match level.checked_sub(1) {
                        None => best_score(window(&self.scores, children)),
                        Some(below) => self.levels[below].best(children),
                    };
                }
            }
            if after == before {
                return;
            }
            self.levels[level].set(at, after);
            (old, new) = (before, after);
        }
    }

    /// The best score and how many have it; `None` when no node can take the pod.
    pub(super) fn best(&self) -> Option<(i16, u32)> {
        let root = self.levels.last().filter(|level| !level.scores.is_empty())?.get(0);
        (root.count > 0).then_some((root.score, root.count))
    }

    /// The position of the `n`-th of the best, counted from 0 in the order of positions.
    pub(super) fn nth_best(&self, n: u32) -> Option<usize> {
        let (score, count) = self.best()?;
        if n >= count {
            return None;
        }
        let (mut at, mut n) = (0, n);
        for level in self.levels.iter().rev().skip(1) {
            (at, n) = level.nth(at * FAN_OUT, score, n)?;
        }
        let (start, scores) = (at * FAN_OUT, window(&self.scores, at * FAN_OUT));
        let (step, n) = nth(n, scores.as_chunks::<STEP>().0.iter().map(|scores| u32::from(equal(scores, score))))?;
        let rest = scores.iter().skip(step * STEP);
        let (child, _) = nth(n, rest.map(|other| u32::from(*other == score)))?;
        Some(start + step * STEP + child)
    }
}

/// Which of these counts has the `n`-th, and how many of it are before that one.
fn nth(mut n: u32, counts: impl Iterator<Item = u32>) -> Option<(usize, u32)> {
    for (child, count) in counts.enumerate() {
        if n < count {
            return Some((child, n));
        }
        n -= count;
    }
    None
}

fn window<T>(all: &[T], start: usize) -> &[T; FAN_OUT] {
    all[start..].first_chunk().expect("there are a multiple of 64")
}

// Passes without branches, which the compiler turns into vector instructions.

fn max(scores: &[i16; FAN_OUT]) -> i16 {
    scores.iter().copied().fold(NONE, i16::max)
}

/// How many of at most 64 have this score.
fn equal<const N: usize>(scores: &[i16; N], score: i16) -> u16 {
    scores.iter().map(|other| u16::from(*other == score)).sum()
}

/// The sum of the counts of those with this score.
fn sum<const N: usize>(scores: &[i16; N], counts: &[u32; N], score: i16) -> u32 {
    scores.iter().zip(counts).map(|(other, count)| if *other == score { *count } else { 0 }).sum()
}

fn best_score(scores: &[i16; FAN_OUT]) -> Best {
    let score = max(scores);
    if score == NONE { NOBODY } else { Best { score, count: u32::from(equal(scores, score)) } }
}

#[cfg(test)]
mod tests;
