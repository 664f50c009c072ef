//! Indexes of an Indexed Job as text: `1,3-5,7`. Source: `pkg/apis/batch/validation`.

/// How many indexes `1,3-5,7` names; they grow, and are below `completions`.
pub(super) fn count(indexes: &str, completions: i64) -> Result<i64, String> {
    let mut total = 0;
    let mut last: Option<i64> = None;
    for interval in intervals(indexes) {
        let (first, end) = parse_interval(interval, completions)?;
        if let Some(last) = last.filter(|last| *last >= first) {
            return Err(format!("non-increasing order, previous: {last}, current: {first}"));
        }
        total += end - first + 1;
        last = Some(end);
    }
    Ok(total)
}

/// The first index that both lists name, which grow. What cannot be read is passed over: [`count`] reports it.
pub(super) fn overlap(some: &str, others: &str, completions: i64) -> Option<i64> {
    let read = |indexes| intervals(indexes).filter_map(move |text| parse_interval(text, completions).ok());
    let (mut some, mut others) = (read(some), read(others));
    let (mut one, mut other) = (some.next()?, others.next()?);
    loop {
        let first = one.0.max(other.0);
        if first <= one.1.min(other.1) {
            return Some(first);
        }
        if one.1 < other.1 { one = some.next()? } else { other = others.next()? }
    }
}

fn intervals(indexes: &str) -> impl Iterator<Item = &str> {
    indexes.split(',').filter(|_| !indexes.is_empty())
}

fn parse_interval(interval: &str, completions: i64) -> Result<(i64, i64), String> {
    let number = |text: &str| {
        let value = text.parse().map_err(|_| format!("cannot convert string to integer for index: {text:?}"))?;
        if value < completions { Ok(value) } else { Err(format!("too large index: {text:?}")) }
    };
    match interval.split('-').collect::<Vec<_>>()[..] {
        [one] => number(one).map(|index: i64| (index, index)),
        [first, last] => match (number(first)?, number(last)?) {
            (first, last) if first >= last => Err(format!("non-increasing order, previous: {first}, current: {last}")),
            both => Ok(both),
        },
        _ => Err(format!(
            "the fragment {interval:?} violates the requirement that an index interval can have at most two parts \
             separated by '-'"
        )),
    }
}
