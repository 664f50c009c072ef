//! Plots as inline SVG, without scripts: axes with round numbers, one colour per policy, values in tooltips.

use std::fmt::Write as _;

/// A line of a plot.
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    /// Which colour.
    pub(super) index: usize,
    /// Points from left to right; with half the height of a band around them.
    pub(super) points: Vec<(f64, f64, f64)>,
}

/// A mean with its confidence interval.
pub(super) struct Dot<'a> {
    pub(super) name: &'a str,
    pub(super) index: usize,
    pub(super) mean: f64,
    pub(super) half: f64,
    /// The value of each seed.
    pub(super) runs: Vec<f64>,
}

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 34.0;
/// Height of a policy's row in a plot of dots.
const ROW: f64 = 26.0;
/// Width of the names beside a plot of dots.
const NAMES: f64 = 110.0;

/// Round numbers that span a range, about `count` of them.
pub(super) fn ticks(low: f64, high: f64, count: f64) -> Vec<f64> {
    let range = (high - low).abs();
    if !range.is_finite() || range == 0.0 {
        return vec![low];
    }
    let raw = range / count;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|m| m * power).find(|step| *step >= raw).unwrap_or(raw);
    let mut ticks = Vec::new();
    let mut at = (low / step).ceil() * step;
    // A bound on the number of ticks, should rounding play tricks.
    while at <= high + step * 1e-6 && ticks.len() < 50 {
        ticks.push(if at.abs() < step * 1e-6 { 0.0 } else { at });
        at += step;
    }
    ticks
}

/// A number for people: no more digits than say something.
pub(super) fn short(value: f64) -> String {
    let magnitude = value.abs();
    let text = match magnitude {
        m if m >= 1000.0 => return grouped(value),
        m if m >= 100.0 => format!("{value:.0}"),
        m if m >= 10.0 => format!("{value:.1}"),
        m if m >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A whole number with its thousands apart.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("−{text}") } else { text }
}

/// Text as HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Lines with bands, under an axis with this label.
pub(super) fn lines(label: &str, x_label: &str, lines: &[Line<'_>]) -> String {
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let right = points().map(|point| point.0).fold(0.0, f64::max);
    let high = points().map(|point| point.1 + point.2).fold(0.0, f64::max).max(1e-9);
    let y_ticks = ticks(0.0, high * 1.04, 4.0);
    let top = y_ticks.last().copied().unwrap_or(high).max(high);
    let x = |value: f64| LEFT + value / right.max(1e-9) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">", escape(label));
    for tick in y_ticks {
        let at = y(tick);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
            WIDTH - RIGHT
        );
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            at + 3.5,
            short(tick)
        );
    }
    for tick in ticks(0.0, right, 6.0) {
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x(tick),
            HEIGHT - BOTTOM + 15.0,
            short(tick)
        );
    }
    let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
    let _ = write!(
        svg,
        "<text class=\"axis\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        HEIGHT - 4.0,
        escape(x_label)
    );
    for line in lines {
        let colour = line.index % COLOURS;
        if line.points.iter().any(|point| point.2 > 0.0) {
            let upper = line.points.iter().map(|(at, value, half)| format!("{:.1},{:.1}", x(*at), y(value + half)));
            let lower = line
                .points
                .iter()
                .rev()
                .map(|(at, value, half)| format!("{:.1},{:.1}", x(*at), y((value - half).max(0.0))));
            let band = upper.chain(lower).collect::<Vec<_>>().join(" ");
            let _ = write!(svg, "<polygon class=\"band c{colour}\" points=\"{band}\"/>");
        }
        let path = line
            .points
            .iter()
            .map(|(at, value, _)| format!("{:.1},{:.1}", x(*at), y(*value)))
            .collect::<Vec<_>>()
            .join(" ");
        let _ = write!(
            svg,
            "<polyline class=\"line c{colour}\" points=\"{path}\"><title>{}</title></polyline>",
            escape(line.name)
        );
    }
    svg + "</svg>"
}

/// A row per policy: its mean, the interval around it, and each seed as a faint mark.
pub(super) fn dots(label: &str, dots: &[Dot<'_>]) -> String {
    let height = TOP + ROW * super::super::stats::number(dots.len()) + BOTTOM - 10.0;
    let all = || dots.iter().flat_map(|dot| dot.runs.iter().copied().chain([dot.mean - dot.half, dot.mean + dot.half]));
    let (mut low, mut high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    if !low.is_finite() || !high.is_finite() {
        (low, high) = (0.0, 1.0);
    }
    // Amounts near nothing are shown from nothing; others by what tells them apart.
    low = if low >= 0.0 && low < high * 0.5 { 0.0 } else { low };
    let pad = ((high - low) * 0.06).max(high.abs() * 1e-3).max(1e-6);
    let (from, to) = (if low == 0.0 { 0.0 } else { low - pad }, high + pad);
    let x = |value: f64| NAMES + (value - from) / (to - from) * (WIDTH - NAMES - RIGHT - 6.0);
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{}\">", escape(label));
    let bottom = height - BOTTOM + 10.0;
    for tick in ticks(from, to, 4.0) {
        let at = x(tick);
        let _ = write!(svg, "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom:.1}\"/>");
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 14.0,
            short(tick)
        );
    }
    for (row, dot) in dots.iter().enumerate() {
        let y = TOP + ROW * (super::super::stats::number(row) + 0.5);
        let colour = dot.index % COLOURS;
        let _ = write!(
            svg,
            "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            NAMES - 10.0,
            y + 4.0,
            escape(dot.name)
        );
        for run in &dot.runs {
            let _ = write!(svg, "<circle class=\"seed c{colour}\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"2.5\"/>", x(*run));
        }
        let (left, right) = (x((dot.mean - dot.half).max(from)), x(dot.mean + dot.half));
        let _ = write!(
            svg,
            "<line class=\"whisker c{colour}\" x1=\"{left:.1}\" x2=\"{right:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
        );
        let _ = write!(
            svg,
            "<circle class=\"mean c{colour}\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"5\"><title>{}: {} ± {}</title></circle>",
            x(dot.mean),
            escape(dot.name),
            short(dot.mean),
            short(dot.half)
        );
    }
    svg + "</svg>"
}

/// Colours that the page defines; further policies share them.
pub(super) const COLOURS: usize = 8;
