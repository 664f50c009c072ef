//! A comparison as a page to look at, as rows, and as JSON. All three are functions of the comparison alone.

mod html;
mod plot;

use super::comparison::Comparison;
use super::measure::{CURVES, METRICS};
use serde_json::{Value, json};
use std::fmt::Write as _;

impl Comparison {
    /// A self-contained HTML page.
    pub fn to_html(&self) -> String {
        html::page(self)
    }

    /// One row per policy, seed and figure, and one per policy and figure with the mean over the seeds.
    pub fn to_csv(&self) -> String {
        let mut text = String::from("policy,seed,metric,unit,value,confidence95\n");
        for contender in &self.contenders {
            for (seed, values) in self.seeds.iter().zip(&contender.runs) {
                for (metric, value) in METRICS.iter().zip(values) {
                    let _ = writeln!(text, "{},{seed},{},{},{value},", contender.name, metric.key, metric.unit);
                }
            }
            for (metric, figure) in METRICS.iter().zip(&contender.figures) {
                let (mean, half) = (figure.mean, figure.confidence());
                let _ = writeln!(text, "{},mean,{},{},{mean},{half}", contender.name, metric.key, metric.unit);
            }
        }
        text
    }

    /// Everything, curves included.
    pub fn to_json(&self) -> String {
        let contenders: Vec<Value> = self.contenders.iter().map(|contender| {
            let figures: serde_json::Map<String, Value> = METRICS.iter().zip(&contender.figures).enumerate().map(|(i, (metric, figure))| {
                let runs: Vec<f64> = contender.runs.iter().filter_map(|run| run.get(i).copied()).collect();
                let value = json!({
                    "unit": metric.unit, "mean": figure.mean, "sd": figure.sd, "confidence95": figure.confidence(), "runs": runs,
                });
                (metric.key.to_owned(), value)
            }).collect();
            let curves: serde_json::Map<String, Value> = CURVES.iter().zip(&contender.curves).map(|((key, _), points)| {
                ((*key).to_owned(), points.iter().map(|point| point.mean).collect())
            }).collect();
            json!({"policy": contender.name, "figures": figures, "curves": curves, "pending_percentiles": contender.waits})
        }).collect();
        let facts: serde_json::Map<String, Value> =
            self.facts.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let value = json!({
            "scenario": self.scenario, "facts": facts, "seeds": self.seeds, "times_hours": self.times, "policies": contenders,
        });
        format!("{value:#}\n")
    }
}

#[cfg(test)]
mod tests;
