//! The page: what was compared, the figures as plots, how things went over time, and the tables beneath.

use super::plot::{COLOURS, Dot, Line, dots, escape, lines, short};
use crate::lab::comparison::{Comparison, Contender};
use crate::lab::measure::{CURVES, METRICS, Metric};
use crate::lab::stats::number;
use std::fmt::Write as _;

/// Figures that most readers look for first.
const HEADLINES: [&str; 4] = ["throughput", "pending_mean", "gpu_utilisation", "fragmentation"];

const STYLE: &str = include_str!("page.css");

pub(super) fn page(comparison: &Comparison) -> String {
    let mut html = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Scheduling laboratory</title>\n";
    let _ = write!(html, "<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n");
    header(&mut html, comparison);
    headlines(&mut html, comparison);
    section(
        &mut html,
        "Figures",
        "Each large dot is the mean over the seeds, its bar the 95 % confidence interval of the mean, each small dot one seed. Policies saw the same arrivals, run times and failures.",
    );
    html += "<div class=\"plots\">";
    for (i, metric) in METRICS.iter().enumerate() {
        figure(&mut html, comparison, i, metric);
    }
    html += "</div></section>\n";
    over_time(&mut html, comparison);
    waits(&mut html, comparison);
    tables(&mut html, comparison);
    html += "</main>\n</body>\n</html>\n";
    html
}

fn section(html: &mut String, title: &str, text: &str) {
    let _ = write!(html, "<section>\n<h2>{}</h2>\n<p>{}</p>\n", escape(title), escape(text));
}

fn header(html: &mut String, comparison: &Comparison) {
    let _ = write!(
        html,
        "<header>\n<h1>Scheduling laboratory</h1>\n<p class=\"lead\">{}</p>\n<dl>",
        escape(&comparison.scenario)
    );
    for (name, value) in &comparison.facts {
        let _ = write!(html, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
    }
    let _ = write!(
        html,
        "<div><dt>Seeds</dt><dd>{}</dd></div></dl>\n{}</header>\n",
        comparison.seeds.len(),
        legend(comparison)
    );
}

fn legend(comparison: &Comparison) -> String {
    let mut html = String::from("<ul class=\"legend\">");
    for (i, contender) in comparison.contenders.iter().enumerate() {
        let _ = write!(html, "<li><span class=\"swatch c{}\"></span>{}</li>", i % COLOURS, escape(&contender.name));
    }
    html + "</ul>\n"
}

/// The best policy by a figure.
fn best<'a>(comparison: &'a Comparison, index: usize, metric: &Metric) -> Option<&'a Contender> {
    comparison.contenders.iter().max_by(|a, b| {
        let order = a.figures[index].mean.total_cmp(&b.figures[index].mean);
        if metric.more_is_better { order } else { order.reverse() }
    })
}

/// Whether all policies came to the same, so that none is best.
fn all_equal(comparison: &Comparison, index: usize) -> bool {
    let mut means = comparison.contenders.iter().map(|contender| contender.figures[index].mean);
    let first = means.next();
    means.all(|mean| Some(mean) == first)
}

fn headlines(html: &mut String, comparison: &Comparison) {
    *html += "<section class=\"cards\">\n";
    for (i, metric) in METRICS.iter().enumerate().filter(|(_, metric)| HEADLINES.contains(&metric.key)) {
        let Some(winner) = best(comparison, i, metric).filter(|_| !all_equal(comparison, i)) else { continue };
        let index = comparison.contenders.iter().position(|contender| contender.name == winner.name).unwrap_or(0);
        let figure = winner.figures[i];
        let _ = writeln!(
            html,
            "<div class=\"card\"><h3>{}</h3><p class=\"value\">{}<small> ± {} {}</small></p><p><span class=\"swatch c{}\"></span>{} {}</p></div>",
            escape(metric.title),
            short(figure.mean),
            short(figure.confidence()),
            escape(metric.unit),
            index % COLOURS,
            escape(&winner.name),
            if metric.more_is_better { "has most" } else { "has least" },
        );
    }
    *html += "</section>\n";
}

fn figure(html: &mut String, comparison: &Comparison, index: usize, metric: &Metric) {
    let rows: Vec<Dot<'_>> = comparison
        .contenders
        .iter()
        .enumerate()
        .map(|(i, contender)| Dot {
            name: &contender.name,
            index: i,
            mean: contender.figures[index].mean,
            half: contender.figures[index].confidence(),
            runs: contender.runs.iter().filter_map(|run| run.get(index).copied()).collect(),
        })
        .collect();
    let better = if metric.more_is_better { "more is better" } else { "less is better" };
    let _ = writeln!(
        html,
        "<figure><figcaption>{}<small>{}; {better}</small></figcaption>{}</figure>",
        escape(metric.title),
        escape(metric.unit),
        dots(metric.title, &rows)
    );
}

fn over_time(html: &mut String, comparison: &Comparison) {
    section(html, "Over time", "The mean over the seeds; the band is its 95 % confidence interval.");
    *html += &legend(comparison);
    *html += "<div class=\"plots\">";
    for (curve, (_, title)) in CURVES.iter().enumerate() {
        let drawn: Vec<Line<'_>> = comparison
            .contenders
            .iter()
            .enumerate()
            .map(|(index, contender)| Line {
                name: &contender.name,
                index,
                points: comparison
                    .times
                    .iter()
                    .zip(&contender.curves[curve])
                    .map(|(time, value)| (*time, value.mean, value.confidence()))
                    .collect(),
            })
            .collect();
        let _ = writeln!(
            html,
            "<figure><figcaption>{}</figcaption>{}</figure>",
            escape(title),
            lines(title, "hours", &drawn)
        );
    }
    *html += "</div></section>\n";
}

fn waits(html: &mut String, comparison: &Comparison) {
    section(
        html,
        "Pending time",
        "How long pods waited for their first place, by the share of pods that waited no longer. Pods that were never placed waited until the end.",
    );
    *html += &legend(comparison);
    let drawn: Vec<Line<'_>> = comparison
        .contenders
        .iter()
        .enumerate()
        .map(|(index, contender)| Line {
            name: &contender.name,
            index,
            points: contender
                .waits
                .iter()
                .enumerate()
                .map(|(percent, wait)| (number(percent), wait / 60.0, 0.0))
                .collect(),
        })
        .collect();
    let _ = writeln!(
        html,
        "<div class=\"plots\"><figure><figcaption>Pending time, minutes</figcaption>{}</figure></div></section>",
        lines("Pending time by share of pods", "percent of the pods", &drawn)
    );
}

fn tables(html: &mut String, comparison: &Comparison) {
    section(
        html,
        "Tables",
        "Means over the seeds, ± half the 95 % confidence interval. The best mean of a row is bold.",
    );
    *html += "<div class=\"scroll\"><table><thead><tr><th>Figure</th>";
    for contender in &comparison.contenders {
        let _ = write!(html, "<th>{}</th>", escape(&contender.name));
    }
    *html += "</tr></thead><tbody>\n";
    for (i, metric) in METRICS.iter().enumerate() {
        let winner = best(comparison, i, metric)
            .filter(|_| !all_equal(comparison, i))
            .map(|contender| contender.figures[i].mean);
        let _ = write!(html, "<tr><th>{}<small>{}</small></th>", escape(metric.title), escape(metric.unit));
        for contender in &comparison.contenders {
            let figure = contender.figures[i];
            let class = if winner == Some(figure.mean) { " class=\"best\"" } else { "" };
            let _ =
                write!(html, "<td{class}>{} <small>± {}</small></td>", short(figure.mean), short(figure.confidence()));
        }
        *html += "</tr>\n";
    }
    *html += "</tbody></table></div></section>\n";
}
