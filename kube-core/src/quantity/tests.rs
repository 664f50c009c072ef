use super::*;
use proptest::prelude::*;

#[track_caller]
fn check(text: &str, canonical: &str) {
    let quantity: Quantity = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(quantity.to_string(), canonical, "{text}");
    let again: Quantity = canonical.parse().unwrap();
    assert_eq!(again, quantity, "the canonical form of {text} is the same amount");
    assert_eq!(again.to_string(), canonical, "the canonical form of {text} is stable");
}

#[track_caller]
fn check_error(text: &str, error: ParseQuantityError) {
    assert_eq!(text.parse::<Quantity>().unwrap_err(), error, "{text}");
}

#[test]
fn canonical_forms() {
    for (text, canonical) in [
        ("0", "0"),
        ("0m", "0"),
        ("0Ki", "0"),
        ("-0", "0"),
        ("+1", "1"),
        ("1.", "1"),
        (".5", "500m"),
        ("0.5", "500m"),
        ("1.5", "1500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("100000m", "100"),
        ("1000", "1k"),
        ("1500", "1500"),
        ("12000000", "12M"),
        ("1Ki", "1Ki"),
        ("1024Mi", "1Gi"),
        ("1000Mi", "1000Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("1023", "1023"),
        ("1e3", "1e3"),
        ("1E6", "1e6"),
        ("12e4", "120e3"),
        ("1e-3", "1e-3"),
        ("1E", "1E"),
        ("5Ei", "5Ei"),
        ("100Ei", "9223372036854775807"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9223372036854775807"),
        ("1e100", "9223372036854775807"),
        ("-1e100", "-9223372036854775807"),
        ("1e-100", "1e-9"),
        ("0.0000000001", "1n"),
        ("-0.0000000001", "-1n"),
        ("0.1234567891", "123456790n"),
        ("-1.5Gi", "-1536Mi"),
        ("00100", "100"),
    ] {
        check_canonical(text, canonical);
    }
}

/// As [`check`], for forms whose suffix family is lost on the way.
#[track_caller]
fn check_canonical(text: &str, canonical: &str) {
    if text == "1e100" || text == "-1e100" || text == "100Ei" {
        assert_eq!(text.parse::<Quantity>().unwrap().to_string(), canonical);
    } else {
        check(text, canonical);
    }
}

#[test]
fn what_is_no_quantity() {
    for text in ["", "1 ", " 1", "abc", "1Q", "1.2.3", "1k!", "1_000", "ä", "1ä"] {
        check_form_error(text);
    }
    check_error("1kk", ParseQuantityError::Suffix);
    check_error("1mi", ParseQuantityError::Suffix);
    check_error("1Kim", ParseQuantityError::Suffix);
    check_error("1e", ParseQuantityError::Suffix);
    check_error("1K", ParseQuantityError::Suffix);
    check_error("1e99999999999", ParseQuantityError::Suffix);
    check_error("-", ParseQuantityError::Number);
    check_error(".", ParseQuantityError::Number);
    check_error("m", ParseQuantityError::Number);
}

#[track_caller]
fn check_form_error(text: &str) {
    check_error(text, ParseQuantityError::Format);
}

#[test]
fn values_round_up() {
    let quantity = |text: &str| text.parse::<Quantity>().unwrap();
    assert_eq!(quantity("100m").value(), 1);
    assert_eq!(quantity("-100m").value(), -1);
    assert_eq!(quantity("1500m").value(), 2);
    assert_eq!(quantity("1u").milli_value(), 1);
    assert_eq!(quantity("2").milli_value(), 2000);
    assert_eq!(quantity("5Ei").milli_value(), i64::MAX);
    assert_eq!(quantity("1Gi").value(), 1 << 30);
}

#[test]
fn sums_keep_the_first_format() {
    let quantity = |text: &str| text.parse::<Quantity>().unwrap();
    assert_eq!((quantity("1Gi") + quantity("1Gi")).to_string(), "2Gi");
    assert_eq!((Quantity::ZERO + quantity("1Gi")).to_string(), "1Gi");
    assert_eq!((quantity("1") - quantity("250m")).to_string(), "750m");
    assert_eq!((quantity("9223372036854775807") + quantity("1")).value(), i64::MAX);
    assert!(quantity("1Ki") > quantity("1k"));
    assert_eq!(quantity("1024"), quantity("1Ki"));
}

proptest! {
    #[test]
    fn any_text_parses_or_fails(text in "\\PC*") {
        let _ = text.parse::<Quantity>();
    }

    #[test]
    fn near_quantities_parse_or_fail(text in "[-+]?[0-9.]{0,50}[eEinumkKMGTP]{0,3}[-+]?[0-9]{0,12}") {
        if let Ok(quantity) = text.parse::<Quantity>() {
            let again: Quantity = quantity.to_string().parse().unwrap();
            // Binary amounts are rounded up to whole units when they are written.
            prop_assert!(again == quantity || quantity.format() == Format::BinarySi);
        }
    }

    #[test]
    fn zeros_before_and_behind_a_number_change_nothing(
        whole in "[0-9]{1,25}", fraction in "[0-9]{0,25}", suffix in "[numkKMGTPE]?i?|[eE][-+]?[0-9]{1,2}",
    ) {
        let plain = format!("{whole}.{fraction}{suffix}").parse::<Quantity>();
        let zeros = "0".repeat(20);
        let padded = format!("{zeros}{whole}.{fraction}{zeros}{suffix}").parse::<Quantity>();
        prop_assert_eq!(plain.map(|q| q.to_string()), padded.map(|q| q.to_string()));
        prop_assert_eq!(plain, padded);
    }

    #[test]
    fn canonical_forms_are_exact(millis in any::<i32>()) {
        let quantity = Quantity::from_millis(i64::from(millis), Format::DecimalSi);
        let again: Quantity = quantity.to_string().parse().unwrap();
        prop_assert_eq!(again.milli_value(), i64::from(millis));
    }

    #[test]
    fn sums_commute(a in any::<i64>(), b in any::<i64>()) {
        let (a, b) = (Quantity::from_millis(a, Format::DecimalSi), Quantity::from_millis(b, Format::DecimalSi));
        prop_assert_eq!(a + b, b + a);
        prop_assert_eq!(a + b - b, a);
    }
}
