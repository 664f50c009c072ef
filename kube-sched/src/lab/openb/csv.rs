//! The files of the OpenB trace: rows of comma-separated values under a header that names the columns.
//!
//! Nodes: `sn,cpu_milli,memory_mib,gpu,model`. Pods: `name,cpu_milli,memory_mib,num_gpu,gpu_milli` and, where the file has
//! them, `gpu_spec` (models, `A|B`), `creation_time` and `deletion_time` (seconds). Further columns are ignored.

use std::collections::BTreeSet;

/// Why a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsvError {
    /// There is nothing under the header, or no header.
    #[error("the file has no rows; expected a header and at least one row")]
    Empty,
    /// A column that is needed is not in the header.
    #[error("line 1: no column {column:?} in the header; this file of the trace needs {needed}")]
    NoColumn {
        /// The column.
        column: &'static str,
        /// All that are needed.
        needed: String,
    },
    /// A row has another number of fields than the header.
    #[error("line {line}: {found} fields, but the header has {expected}")]
    Fields {
        /// Counted from 1.
        line: usize,
        /// In the row.
        found: usize,
        /// In the header.
        expected: usize,
    },
    /// A field does not say what its column needs.
    #[error("line {line}, column {column} ({name}): {value:?} is not {expected}")]
    Field {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// The column's name.
        name: &'static str,
        /// What the file says.
        value: String,
        /// What was expected.
        expected: &'static str,
    },
    /// Two rows have one name.
    #[error("line {line}, column {column} ({name}): {value:?} is already the name of an earlier row")]
    Duplicate {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// The column's name.
        name: &'static str,
        /// The name.
        value: String,
    },
}

/// A file, with its header read.
pub(super) struct Table<'a> {
    header: Vec<&'a str>,
    lines: Vec<(usize, Vec<&'a str>)>,
}

/// A row of a [`Table`].
pub(super) struct Row<'a> {
    table: &'a Table<'a>,
    line: usize,
    fields: &'a [&'a str],
}

impl<'a> Table<'a> {
    /// Splits a text; blank lines at its end are ignored.
    pub(super) fn parse(text: &'a str, needed: &[&'static str]) -> Result<Self, CsvError> {
        // Spreadsheets put a byte order mark first.
        let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
        let header: Vec<&str> = lines.next().ok_or(CsvError::Empty)?.1.split(',').map(str::trim).collect();
        if let Some(column) = needed.iter().find(|column| !header.contains(column)) {
            return Err(CsvError::NoColumn { column, needed: needed.join(", ") });
        }
        let mut rows = Vec::new();
        for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            if fields.len() != header.len() {
                return Err(CsvError::Fields { line: index + 1, found: fields.len(), expected: header.len() });
            }
            rows.push((index + 1, fields));
        }
        if rows.is_empty() { Err(CsvError::Empty) } else { Ok(Self { header, lines: rows }) }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.lines.iter().map(|(line, fields)| Row { table: self, line: *line, fields })
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| *column == name)
    }
}

impl<'a> Row<'a> {
    /// A field that may be absent.
    pub(super) fn text(&self, name: &'static str) -> Option<&'a str> {
        self.table.column(name).map(|index| self.fields[index]).filter(|value| !value.is_empty())
    }

    /// The row's name, which no earlier row may have.
    pub(super) fn unique(&self, name: &'static str, seen: &mut BTreeSet<String>) -> Result<&'a str, CsvError> {
        let Some(value) = self.text(name) else { return Err(self.bad(name, "a name")) };
        if seen.insert(value.to_owned()) {
            return Ok(value);
        }
        let column = self.table.column(name).map_or(0, |index| index + 1);
        Err(CsvError::Duplicate { line: self.line, column, name, value: value.to_owned() })
    }

    /// A whole number in these bounds.
    pub(super) fn number(
        &self,
        name: &'static str,
        bounds: std::ops::RangeInclusive<i64>,
        expected: &'static str,
    ) -> Result<i64, CsvError> {
        let number = self.text(name).and_then(|value| value.parse().ok()).filter(|number| bounds.contains(number));
        number.ok_or_else(|| self.bad(name, expected))
    }

    /// The error for a field.
    pub(super) fn bad(&self, name: &'static str, expected: &'static str) -> CsvError {
        let index = self.table.column(name);
        CsvError::Field {
            line: self.line,
            column: index.map_or(0, |index| index + 1),
            name,
            value: index.map_or_else(String::new, |index| self.fields[index].to_owned()),
            expected,
        }
    }
}
