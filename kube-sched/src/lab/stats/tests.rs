//! Against figures worked out by hand, and from published tables.

use super::*;

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-3, "{found} is not {expected}");
}

#[test]
fn summaries_by_hand() {
    let summary = Summary::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
    close(summary.mean, 5.0);
    close(summary.sd, 2.138);
    close(summary.standard_error(), 0.756);
    // t with 7 degrees of freedom is 2.365.
    close(summary.confidence(), 1.788);
    assert_eq!(Summary::of(&[]), Summary::default());
    assert_eq!(Summary::of(&[3.0]), Summary { count: 1, mean: 3.0, sd: 0.0 });
}

#[test]
fn distance_is_in_combined_standard_errors() {
    let a = Summary { count: 10, mean: 95.0, sd: 0.3 };
    let b = Summary { count: 10, mean: 94.0, sd: 0.4 };
    close(a.distance(&b), 1.0 / (0.5 / 10f64.sqrt()));
    close(b.distance(&a), -a.distance(&b));
    close(Summary::default().distance(&Summary::default()), 0.0);
}

#[test]
fn intervals_hold_the_mean_nineteen_times_in_twenty() {
    let mut rng = crate::lab::rng::Rng::new(1);
    let mut held = 0;
    for _ in 0..2000 {
        let values: Vec<f64> = (0..10).map(|_| (0..12).map(|_| rng.unit()).sum::<f64>()).collect();
        let summary = Summary::of(&values);
        held += u32::from((summary.mean - 6.0).abs() <= summary.confidence());
    }
    // Standard deviation about 10.
    assert!((1850..1950).contains(&held), "{held} of 2000");
}

#[test]
fn quantiles_and_fairness_by_hand() {
    close(quantile(&mut [3.0, 1.0, 2.0], 0.5), 2.0);
    close(quantile(&mut [1.0, 2.0], 0.75), 1.75);
    close(quantile(&mut [], 0.5), 0.0);
    close(jain(&[1.0, 1.0, 1.0]), 1.0);
    close(jain(&[1.0, 0.0, 0.0, 0.0]), 0.25);
    close(jain(&[]), 1.0);
}
