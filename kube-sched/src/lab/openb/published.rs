//! The published means to compare with.

use super::csv::Table;
use super::policy::Policy;
use super::trace::OpenbError;
use crate::lab::stats::Summary;

/// Runs that each published mean was taken over.
const PUBLISHED_RUNS: usize = 10;

/// A cell of the published table.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The workload, without the `openb_pod_list_` of its file.
    pub workload: String,
    /// The policy.
    pub policy: Policy,
    /// Percent of the GPUs that were allocated when 100 % had been asked for.
    pub allocated_at_100: Summary,
}

/// Reads `workload,policy,metric,…,mean_at_100,…,sd_at_100,…`, and keeps the rows on allocation.
///
/// # Errors
/// Which line and column cannot be read, and why.
pub fn parse_published(text: &str) -> Result<Vec<Published>, OpenbError> {
    let needed = ["workload", "policy", "metric", "mean_at_100", "sd_at_100"];
    let table = Table::parse(text, &needed).map_err(OpenbError::Expected)?;
    let mut cells = Vec::new();
    for row in table.rows().filter(|row| row.text("metric") == Some("alloc_pct")) {
        let real = |name| {
            let number = row.text(name).and_then(|value| value.parse::<f64>().ok()).filter(|number| number.is_finite());
            number.ok_or_else(|| OpenbError::Expected(row.bad(name, "a number")))
        };
        let policy = row.text("policy").unwrap_or_default().parse();
        let policy = policy.map_err(|_| OpenbError::Expected(row.bad("policy", "a policy of the study")))?;
        let workload = row.text("workload").unwrap_or_default().trim_start_matches("openb_pod_list_").to_owned();
        let summary = Summary { count: PUBLISHED_RUNS, mean: real("mean_at_100")?, sd: real("sd_at_100")? };
        cells.push(Published { workload, policy, allocated_at_100: summary });
    }
    Ok(cells)
}
