//! Means over seeds, and how sure they are.

/// A sample's mean and spread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// How many values.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (n − 1); 0 for fewer than two.
    pub sd: f64,
}

impl Summary {
    /// Of these values; all zero for none.
    pub fn of(values: &[f64]) -> Self {
        let count = values.len();
        if count == 0 {
            return Self::default();
        }
        let n = number(count);
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let sd = if count < 2 { 0.0 } else { (squares / (n - 1.0)).sqrt() };
        Self { count, mean, sd }
    }

    /// The standard error of the mean.
    pub fn standard_error(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sd / number(self.count).sqrt() }
    }

    /// Half the width of the 95 % confidence interval of the mean, by Student's t.
    pub fn confidence(&self) -> f64 {
        if self.count < 2 { 0.0 } else { student_t95(self.count - 1) * self.standard_error() }
    }

    /// By how many combined standard errors this mean lies above another; 0 where neither varies.
    pub fn distance(&self, other: &Self) -> f64 {
        let combined = self.standard_error().hypot(other.standard_error());
        if combined == 0.0 { 0.0 } else { (self.mean - other.mean) / combined }
    }
}

/// The value that Student's t stays below in magnitude with probability 0.95, by degrees of freedom.
fn student_t95(freedom: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    match freedom {
        0 => f64::INFINITY,
        1..=30 => TABLE[freedom - 1],
        // Beyond the table the excess over the normal distribution's 1.96 falls off like 1/n.
        _ => 1.96 + 2.46 / number(freedom),
    }
}

/// The value below which this share (0 to 1) of the values lies, by linear interpolation; 0 of none.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    let position = share.clamp(0.0, 1.0) * number(values.len() - 1);
    let below = floor_index(position);
    let above = (below + 1).min(values.len() - 1);
    values[below] + (values[above] - values[below]) * (position - number(below))
}

/// Jain's index of fairness: 1 when all get the same, 1/n when one gets everything; 1 of nothing.
/// Source: Jain, Chiu, Hawe, 1984.
pub fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    if squares == 0.0 { 1.0 } else { sum * sum / (number(shares.len()) * squares) }
}

/// A count in a formula.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn number(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a position in a slice, rounded down")]
fn floor_index(position: f64) -> usize {
    position as usize
}

#[cfg(test)]
mod tests;
