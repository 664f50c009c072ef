//! How much a request takes. Source: KEP-5075, and the API's words on `requestPolicy`.

use super::*;

const fn gi(amount: i64) -> Amount {
    Amount::units(amount << 30)
}

/// Of a capacity of 40 Gi with this policy.
#[track_caller]
fn check(_source: &str, policy: Option<RequestPolicy>, requested: Option<Amount>, expected: Option<Amount>) {
    assert_eq!(Capacity { value: gi(40), policy }.consumed(requested), expected);
}

fn policy(default: Option<Amount>, valid: ValidAmounts) -> Option<RequestPolicy> {
    Some(RequestPolicy { default, valid })
}

fn range(max: Option<Amount>, step: Option<Amount>) -> Option<RequestPolicy> {
    policy(Some(gi(10)), ValidAmounts::Range { min: gi(5), max, step })
}

#[test]
fn without_a_policy() {
    check("API: all of it, if nothing is said", None, None, Some(gi(40)));
    check("API: as much as is asked for", None, Some(gi(7)), Some(gi(7)));
    check("API: not more than there is", None, Some(gi(41)), None);
    check("nothing is something too", None, Some(Amount::ZERO), Some(Amount::ZERO));
    check("bad input: less than nothing", None, Some(gi(-1)), None);
}

#[test]
fn defaults() {
    check("API: the default", policy(Some(gi(10)), ValidAmounts::Any), None, Some(gi(10)));
    check("API: all of it without a default", policy(None, ValidAmounts::Any), None, Some(gi(40)));
    check("API: any amount", policy(Some(gi(10)), ValidAmounts::Any), Some(gi(3)), Some(gi(3)));
    check("bad input: less than nothing", policy(Some(gi(10)), ValidAmounts::Any), Some(gi(-1)), None);
    check("bad input: a default of less than nothing", policy(Some(gi(-1)), ValidAmounts::Any), None, None);
    check("bad input: a default that is not there", policy(Some(gi(50)), ValidAmounts::Any), None, None);
}

#[test]
fn valid_values() {
    let sizes = || policy(Some(gi(10)), ValidAmounts::Values(vec![gi(5), gi(10), gi(20)]));
    check("API: one of them", sizes(), Some(gi(10)), Some(gi(10)));
    check("API: rounded up to the next", sizes(), Some(gi(11)), Some(gi(20)));
    check("API: to the least", sizes(), Some(Amount::units(1)), Some(gi(5)));
    check("API: more than all", sizes(), Some(gi(21)), None);
    check("API: the default", sizes(), None, Some(gi(10)));
    let large = || policy(Some(gi(10)), ValidAmounts::Values(vec![gi(10), gi(80)]));
    check("what is rounded up to more than there is", large(), Some(gi(11)), None);
}

#[test]
fn valid_ranges() {
    check("API: less than the least", range(None, None), Some(gi(1)), Some(gi(5)));
    check("API: as it is without steps", range(None, None), Some(gi(7)), Some(gi(7)));
    check("API: up to a step: 5, 8, 11", range(None, Some(gi(3))), Some(gi(9)), Some(gi(11)));
    check("API: on a step", range(None, Some(gi(3))), Some(gi(8)), Some(gi(8)));
    check("API: more than the most", range(Some(gi(20)), None), Some(gi(21)), None);
    check("API: rounded up beyond the most", range(Some(gi(10)), Some(gi(3))), Some(gi(9)), None);
    check("API: the default needs no step", range(Some(gi(20)), Some(gi(3))), None, Some(gi(10)));
    check("bad input: a step of nothing", range(None, Some(Amount::ZERO)), Some(gi(7)), Some(gi(7)));
    let half = Amount::nanos(500_000_000);
    let fine = policy(None, ValidAmounts::Range { min: half, max: None, step: Some(half) });
    check("parts of a unit", fine, Some(Amount::nanos(700_000_000)), Some(Amount::units(1)));
    let most = Amount::nanos(i128::MAX);
    check("bad input: the largest request", range(None, Some(gi(3))), Some(most), None);
}

#[test]
fn requests_name_capacities_with_their_domain_or_without() {
    let mut device = Device::new("d");
    device.capacity.insert("x.example.com/memory".into(), 40.into());
    device.capacity.insert("other.example.com/cores".into(), 8.into());
    let take = |name: &str| consumed("x.example.com", &device, &[(name.to_owned(), Amount::units(10))].into());
    let told = |taken: Option<Amounts>| {
        taken.map(|all| all.iter().map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(" "))
    };
    let expected = Some("other.example.com/cores=8 x.example.com/memory=10".to_owned());
    assert_eq!(told(take("memory")), expected);
    assert_eq!(told(take("x.example.com/memory")), expected);
    assert_eq!(told(take("cores")), None, "cores of the driver's domain there are none");
}

#[test]
fn amounts_as_decimals() {
    let all = [0, 1_500_000_000, -250_000_000, 1, 80_000_000_000].map(|nanos| Amount::nanos(nanos).to_string());
    assert_eq!(all, ["0", "1.5", "-0.25", "0.000000001", "80"]);
    assert_eq!((Amount::units(7).whole(), Amount::nanos(1).whole()), (Some(7), None));
}
