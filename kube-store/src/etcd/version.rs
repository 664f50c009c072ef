//! Which members' progress notifications can be taken at their word.

/// Whether a member of this version tells of a revision only when all events up to it were sent. From 3.4.31 and 3.5.13
/// on: before, a notification could overtake events (Kubernetes asks for the same versions before it trusts them).
pub(super) fn tells_progress_in_order(version: &str) -> bool {
    let mut numbers = version.split(['.', '-', '+']).map(|part| part.parse::<u32>().ok());
    let mut next = || numbers.next().flatten();
    match (next(), next(), next()) {
        (Some(3), Some(4), Some(patch)) => patch >= 31,
        (Some(3), Some(5), Some(patch)) => patch >= 13,
        (Some(3), Some(minor), Some(_)) => minor > 5,
        (Some(major), Some(_), Some(_)) => major > 3,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::tells_progress_in_order;

    #[track_caller]
    fn check(version: &str, expected: bool) {
        assert_eq!(tells_progress_in_order(version), expected, "{version}");
    }

    #[test]
    fn versions() {
        check("3.4.23", false);
        check("3.4.30", false);
        check("3.4.31", true);
        check("3.5.12", false);
        check("3.5.13", true);
        check("3.6.0", true);
        check("3.6.0-rc.1", true);
        check("3.3.27", false);
        check("4.0.0", true);
        check("", false);
        check("3.5", false);
        check("latest", false);
    }
}
