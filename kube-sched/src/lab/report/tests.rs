//! The page, the rows and the JSON: complete, self-contained, safe, and the same from the same.

use super::plot::{short, ticks};
use super::*;
use crate::lab::measure::Measurements;

fn comparison() -> Comparison {
    let run = |offset: f64| Measurements {
        values: (0..METRICS.len()).map(|i| crate::lab::stats::number(i) + offset).collect(),
        curves: vec![vec![1.0, 2.0 + offset]; CURVES.len()],
        times: vec![0.0, 1.0],
        waits: vec![offset; 101],
    };
    let runs = [("A & <B>".to_owned(), vec![run(0.0), run(1.0)]), ("C".to_owned(), vec![run(5.0), run(7.0)])];
    Comparison::new("a <scenario>", vec![("nodes".to_owned(), "3".to_owned())], vec![1, 2], runs)
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_escapes_what_it_is_told() {
    let html = comparison().to_html();
    for outside in ["http://", "https://", "src=", "href=", "<script", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.contains("a &lt;scenario&gt;") && html.contains("A &amp; &lt;B&gt;") && !html.contains("<B>"));
    for metric in METRICS {
        assert!(html.contains(&super::plot::escape(metric.title)), "{}", metric.title);
    }
    assert!(!html.contains("NaN") && !html.contains("inf\""));
    for tag in ["section", "figure", "svg", "table", "div", "main", "ul"] {
        assert_eq!(html.matches(&format!("<{tag}")).count(), html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn the_same_comparison_gives_the_same_bytes() {
    assert_eq!(comparison().to_html(), comparison().to_html());
    assert_eq!(comparison().to_csv(), comparison().to_csv());
    assert_eq!(comparison().to_json(), comparison().to_json());
}

#[test]
fn rows_have_every_seed_and_the_mean() {
    let csv = comparison().to_csv();
    assert_eq!(csv.lines().count(), 1 + 2 * METRICS.len() * 3);
    assert!(csv.contains("C,2,throughput,pods finished an hour,7,\n"));
    // Half the interval of 5 and 7: 12.706 · 1.
    assert!(csv.contains("C,mean,throughput,pods finished an hour,6,12.706"));
}

#[test]
fn json_has_figures_and_curves() {
    let value: Value = serde_json::from_str(&comparison().to_json()).unwrap();
    assert_eq!(value["policies"][1]["figures"]["throughput"]["mean"], 6.0);
    assert_eq!(value["policies"][0]["curves"]["cpu"], json!([1.0, 2.5]));
    assert_eq!(value["seeds"], json!([1, 2]));
}

#[test]
fn an_empty_comparison_is_a_page_all_the_same() {
    let empty = Comparison::new("nothing", Vec::new(), Vec::new(), Vec::new());
    assert!(empty.to_html().contains("nothing"));
    assert_eq!(empty.to_csv().lines().count(), 1);
}

#[test]
fn ticks_are_round_and_numbers_short() {
    assert_eq!(ticks(0.0, 100.0, 4.0), [0.0, 25.0, 50.0, 75.0, 100.0]);
    assert_eq!(ticks(0.0, 7.0, 4.0), [0.0, 2.0, 4.0, 6.0]);
    assert_eq!(ticks(3.0, 3.0, 4.0), [3.0]);
    assert_eq!(ticks(0.0, f64::INFINITY, 4.0), [0.0]);
    for (value, text) in [
        (0.0, "0"),
        (0.5, "0.5"),
        (12.34, "12.3"),
        (123.4, "123"),
        (1_234_567.0, "1,234,567"),
        (-1234.0, "−1,234"),
        (100.0, "100"),
    ] {
        assert_eq!(short(value), text);
    }
}
