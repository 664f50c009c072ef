//! Errors of `successPolicy`: which indexes are enough for an Indexed Job. Source: KEP-3998, `pkg/apis/batch/validation`.

use super::indexes;
use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{get, int, list, text};
use crate::rules::format;
use serde_json::Value;

const RULES_MAX: usize = 20;
const INDEXES_BYTES_MAX: usize = 64 * 1024;

/// Checks the policy of the spec of an Indexed Job; `path` is the policy's.
pub(super) fn check(errors: &mut ErrorList, path: &Path, spec: &Value) {
    let rules = list(&spec["successPolicy"], "rules");
    let path = path.child("rules");
    if rules.is_empty() {
        let text = "at least one rules must be specified when the successPolicy is specified";
        errors.push(Error::required(&path, text));
    }
    if rules.len() > RULES_MAX {
        errors.push(Error::too_many(&path, rules.len(), RULES_MAX));
    }
    // A Job without completions is reported as such.
    let Some(completions) = int(spec, "completions") else { return };
    for (index, rule) in rules.iter().enumerate() {
        check_rule(errors, &path.index(index), rule, completions);
    }
}

fn check_rule(errors: &mut ErrorList, path: &Path, rule: &Value, completions: i64) {
    let indexes = get(rule, "succeededIndexes").map(|_| text(rule, "succeededIndexes"));
    let count = int(rule, "succeededCount");
    if indexes.is_none() && count.is_none() {
        let text = "at least one of succeededCount or succeededIndexes must be specified";
        errors.push(Error::required(path, text));
    }
    let mut total = 0;
    if let Some(indexes) = indexes {
        let path = path.child("succeededIndexes");
        if indexes.len() > INDEXES_BYTES_MAX {
            errors.push(Error::too_long(&path, INDEXES_BYTES_MAX));
        }
        match indexes::count(indexes, completions) {
            Ok(number) => total = number,
            Err(problem) => {
                let text = format!("error parsing succeededIndexes: {problem}");
                errors.push(Error::invalid(&path, &indexes.into(), &text));
            }
        }
    }
    let Some(count) = count else { return };
    format::check_non_negative(errors, path, rule, "succeededCount");
    let path = path.child("succeededCount");
    if count > completions {
        let text = format!("must be less than or equal to {completions} (the number of specified completions)");
        errors.push(Error::invalid(&path, &count.into(), &text));
    }
    if indexes.is_some() && count > total {
        let text = format!(
            "must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        );
        errors.push(Error::invalid(&path, &count.into(), &text));
    }
}
