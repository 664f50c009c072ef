//! Work spread over the processors, with a line on standard error that says how far it is.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How often the line is written again.
const REDRAW: Duration = Duration::from_millis(200);

/// Tells how far a number of tasks is. On a terminal one line is written over and over; elsewhere only every tenth.
pub(crate) struct Progress {
    label: String,
    total: usize,
    done: AtomicUsize,
    started: Instant,
    drawn: Mutex<(Instant, usize)>,
    terminal: bool,
}

impl Progress {
    /// Of `total` steps.
    pub(crate) fn new(label: &str, total: usize) -> Self {
        let now = Instant::now();
        Self {
            label: label.to_owned(),
            total: total.max(1),
            done: AtomicUsize::new(0),
            started: now,
            drawn: Mutex::new((now, 0)),
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// This many more steps are done.
    pub(crate) fn advance(&self, steps: usize) {
        let done = self.done.fetch_add(steps, Ordering::Relaxed) + steps;
        let Ok(mut drawn) = self.drawn.try_lock() else { return };
        let percent = done * 100 / self.total;
        let due = if self.terminal { drawn.0.elapsed() >= REDRAW } else { percent / 10 > drawn.1 / 10 };
        if due {
            *drawn = (Instant::now(), percent);
            self.draw(percent);
        }
    }

    fn draw(&self, percent: usize) {
        let elapsed = self.started.elapsed().as_secs_f64();
        let left = elapsed * (100.0 / f64::from(u32::try_from(percent.max(1)).unwrap_or(100)) - 1.0);
        let mut out = std::io::stderr().lock();
        // A closed standard error is no reason to stop working.
        let _ = if self.terminal {
            write!(out, "\r{}: {percent:3} %, about {left:.0} s left \x1b[K", self.label)
        } else {
            writeln!(out, "{}: {percent} %, about {left:.0} s left", self.label)
        };
        let _ = out.flush();
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        if self.terminal {
            let mut out = std::io::stderr().lock();
            let _ = write!(out, "\r\x1b[K");
        }
    }
}

/// Does every task, on as many threads as there are processors; the results are in the order of the tasks.
pub(crate) fn on_all_processors<T: Sync, R: Send>(tasks: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(tasks.len().max(1));
    let next = AtomicUsize::new(0);
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let worker = || {
            let mut mine = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(task) = tasks.get(index) else { return mine };
                mine.push((index, work(task)));
            }
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        handles.into_iter().flat_map(|handle| handle.join().expect("a worker does not panic")).collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
