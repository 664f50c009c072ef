//! The figures of a run: a table for people, JSON for programs.

use anyhow::{Context, bail};
use serde::Serialize;
use std::io::Write as _;
use std::path::Path;

/// One figure. Keys are stable, so that figures can be followed over time.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) key: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What was measured beside it in the same run, if anything.
    pub(crate) rival: Option<&'static str>,
    pub(crate) rival_value: Option<f64>,
}

/// All figures of a run, in the order in which they were measured.
#[derive(Debug)]
pub(crate) struct Report {
    rows: Vec<Row>,
    only: String,
    failures: Vec<anyhow::Error>,
}

impl Report {
    /// An empty report on what has a key that begins with `only`.
    pub(crate) fn new(only: &str) -> Self {
        Self { rows: Vec::new(), only: only.to_owned(), failures: Vec::new() }
    }

    /// Whether this is to be measured.
    pub(crate) fn wants(&self, key: &str) -> bool {
        key.starts_with(&self.only)
    }

    /// Whether nothing is to be measured but what has a key that begins with this.
    pub(crate) fn wants_only(&self, prefix: &str) -> bool {
        self.only.starts_with(prefix.trim_end_matches('.'))
    }

    /// Notes that something could not be measured; the rest is.
    pub(crate) fn fail(&mut self, error: anyhow::Error) {
        self.failures.push(error);
    }

    /// An error when something could not be measured.
    pub(crate) fn outcome(&self) -> anyhow::Result<()> {
        if self.failures.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = self.failures.iter().map(|error| format!("{error:#}")).collect();
        bail!("not measured:\n{}", lines.join("\n"))
    }

    /// Adds a figure.
    pub(crate) fn add(&mut self, key: &'static str, value: f64, unit: &'static str) {
        self.push(Row { key, value, unit, rival: None, rival_value: None });
    }

    /// Adds a figure with that of a rival.
    pub(crate) fn add_beside(
        &mut self,
        key: &'static str,
        value: f64,
        unit: &'static str,
        rival: &'static str,
        rival_value: f64,
    ) {
        self.push(Row { key, value, unit, rival: Some(rival), rival_value: Some(rival_value) });
    }

    /// Prints a row as soon as it is known: a run takes minutes.
    #[expect(clippy::print_stdout, reason = "the table is what this program is for")]
    fn push(&mut self, row: Row) {
        if self.rows.is_empty() {
            println!("{:<44} {:>14} {:<12} rival", "what", "figure", "unit");
        }
        let rival = match (row.rival, row.rival_value) {
            (Some(name), Some(value)) => format!("{} ({name})", figure(value)),
            _ => String::new(),
        };
        println!("{:<44} {:>14} {:<12} {rival}", row.key, figure(row.value), row.unit);
        // Whoever reads the other end has gone: there is nobody to tell.
        let _ = std::io::stdout().flush();
        self.rows.push(row);
    }

    /// Writes the figures as a JSON array.
    pub(crate) fn write_json(&self, path: &Path) -> anyhow::Result<()> {
        let json = serde_json::to_vec_pretty(&self.rows).context("encoding the report")?;
        std::fs::write(path, json).with_context(|| format!("writing {}", path.display()))
    }
}

/// A figure with three significant digits or more, and a mark between thousands.
fn figure(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut marked = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            marked.push('_');
        }
        marked.push(digit);
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[track_caller]
    fn check(value: f64, expected: &str) {
        assert_eq!(figure(value), expected);
    }

    #[test]
    fn figures_are_readable() {
        check(0.0, "0.00");
        check(3.456, "3.46");
        check(99.99, "99.99");
        check(100.0, "100");
        check(1234.5, "1_234");
        check(1_234_567.0, "1_234_567");
    }
}
