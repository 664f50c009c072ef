//! The scores of one class by position, and over them a tree that knows the best and how many have it.
//!
//! A tree of fan-out 64: one change is a few additions a level, until the last of the best is gone and 64 children are
//! looked at. It takes 2 bytes a node and an eighth of a byte for the tree, which keeps a hundred classes of a million
//! nodes in memory; a binary tree would take eight times as much and touch five times as many lines of the cache.

const FAN_OUT: usize = 64;

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

    fn join(self, other: Self) -> Self {
        match self.score.cmp(&other.score) {
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Equal => Self { count: self.count + other.count, ..self },
            std::cmp::Ordering::Greater => self,
        }
    }
}

/// Scores by position; 0 or more, or [`NONE`].
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    scores: Vec<i16>,
    /// Each level sums up 64 of the one below; the last has one entry.
    levels: Vec<Vec<Best>>,
    feasible: usize,
}

impl Index {
    /// Takes over all scores.
    pub(super) fn fill(&mut self, scores: Vec<i16>) {
        self.feasible = scores.iter().filter(|score| **score != NONE).count();
        self.scores = scores;
        self.levels.clear();
        let mut below: Vec<Best> = self.scores.chunks(FAN_OUT).map(best_score).collect();
        while below.len() > 1 {
            let above = below.chunks(FAN_OUT).map(best_of).collect();
            self.levels.push(below);
            below = above;
        }
        self.levels.push(below);
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
        let above = self.levels.first().and_then(|level| level.get(at / FAN_OUT)).map_or(NONE, |best| best.score);
        above ^ self.scores.get(at).copied().unwrap_or(NONE)
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
            let before = self.levels[level][at];
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
                        Some(below) => best_of(window(&self.levels[below], children)),
                    };
                }
            }
            if after == before {
                return;
            }
            self.levels[level][at] = after;
            (old, new) = (before, after);
        }
    }

    /// The best score and how many have it; `None` when no node can take the pod.
    pub(super) fn best(&self) -> Option<(i16, u32)> {
        let root = self.levels.last()?.first()?;
        (root.count > 0).then_some((root.score, root.count))
    }

    /// The position of the `n`-th of the best, counted from 0 in the order of positions.
    pub(super) fn nth_best(&self, mut n: u32) -> Option<usize> {
        let (score, count) = self.best()?;
        if n >= count {
            return None;
        }
        let mut at = 0;
        for level in self.levels.iter().rev().skip(1) {
            at *= FAN_OUT;
            let (child, rest) = nth(window(level, at), n, |best| if best.score == score { best.count } else { 0 })?;
            (at, n) = (at + child, rest);
        }
        at *= FAN_OUT;
        let (child, _) = nth(window(&self.scores, at), n, |other| u32::from(*other == score))?;
        Some(at + child)
    }
}

/// Which of these counts the `n`-th, and how many it counts before that one.
fn nth<T>(children: &[T], mut n: u32, count: impl Fn(&T) -> u32) -> Option<(usize, u32)> {
    /// So many are added up at once, without a branch for each.
    const STEP: usize = 16;
    for (step, some) in children.chunks(STEP).enumerate() {
        let here: u32 = some.iter().map(&count).sum();
        if n >= here {
            n -= here;
            continue;
        }
        for (i, child) in some.iter().enumerate() {
            let here = count(child);
            if n < here {
                return Some((step * STEP + i, n));
            }
            n -= here;
        }
    }
    None
}

fn window<T>(all: &[T], start: usize) -> &[T] {
    &all[start..all.len().min(start + FAN_OUT)]
}

fn best_score(scores: &[i16]) -> Best {
    // Two passes without branches, which the compiler turns into vector instructions.
    let score = scores.iter().copied().fold(NONE, i16::max);
    let equal: u16 = scores.iter().map(|other| u16::from(*other == score)).sum();
    if score == NONE { NOBODY } else { Best { score, count: u32::from(equal) } }
}

fn best_of(children: &[Best]) -> Best {
    children.iter().copied().fold(NOBODY, Best::join)
}

#[cfg(test)]
mod tests;
