//! Durations on command lines, as Kubernetes' components take them: `90s`, `1m30s`, `500ms`.

use std::time::Duration;

/// Units and their lengths in milliseconds. `ms` stands before `m`, because the first that fits is taken.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

/// Reads a duration: whole numbers, each with a unit (`h`, `m`, `s`, `ms`).
///
/// # Errors
///
/// If the text is something else, or longer than a duration can be.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration like 90s, 1m30s or 500ms");
    let mut rest = text;
    let mut milliseconds = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let (unit, length) = UNITS.into_iter().find(|(unit, _)| rest.starts_with(unit)).ok_or_else(wrong)?;
        rest = &rest[unit.len()..];
        milliseconds = number.checked_mul(length).and_then(|part| milliseconds.checked_add(part)).ok_or_else(wrong)?;
    }
    if text.is_empty() { Err(wrong()) } else { Ok(Duration::from_millis(milliseconds)) }
}

#[cfg(test)]
mod tests {
    //! Texts in, durations out.

    use super::parse;
    use std::time::Duration;

    #[track_caller]
    fn check(text: &str, milliseconds: Option<u64>) {
        assert_eq!(parse(text).ok(), milliseconds.map(Duration::from_millis), "{text:?}");
    }

    #[test]
    fn durations() {
        check("90s", Some(90_000));
        check("1m30s", Some(90_000));
        check("1h0m1s", Some(3_601_000));
        check("500ms", Some(500));
        check("0s", Some(0));
        for wrong in ["", "5", "s", "-5s", "5 s", "5d", "1m30", "99999999999999999999s", "9999999999999999999h", "٥s"]
        {
            check(wrong, None);
        }
    }
}
