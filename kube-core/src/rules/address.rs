//! Warnings about addresses and ranges that are taken, and whose form means different things to different readers.
//!
//! Source: KEP-4858, `k8s.io/apimachinery/pkg/util/validation/ip.go`.

use super::format::parse_ip;
use ipnet::IpNet;
use std::fmt::Display;
use std::net::IpAddr;

/// The warning about an IP address, if any.
pub(super) fn warning_of_ip(path: impl Display, value: &str) -> Option<String> {
    let ip = parse_ip(value)?;
    let meant = ip.to_canonical();
    if value.parse::<IpAddr>().is_err() || meant != ip {
        return Some(format!(
            "{path}: non-standard IP address {value:?} will be considered invalid in a future Kubernetes release: use \
             \"{meant}\""
        ));
    }
    (ip.is_ipv6() && ip.to_string() != value)
        .then(|| format!("{path}: IPv6 address {value:?} should be in RFC 5952 canonical format (\"{ip}\")"))
}

/// The warnings about a range in CIDR notation.
pub(super) fn warnings_of_cidr(path: impl Display, value: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    let Some((ip, prefix)) = value.split_once('/') else { return warnings };
    let (Some(address), Ok(length)) = (parse_ip(ip), prefix.parse::<u8>()) else { return warnings };
    // A range of IPv4 addresses that are written as IPv6 ones is a range of IPv4 addresses.
    let meant = address.to_canonical();
    let bits = if meant == address { length } else { length.saturating_sub(96) };
    let Ok(range) = IpNet::new(meant, bits).map(|range| range.trunc()) else { return warnings };
    if range.addr() != meant {
        let single = format!("{meant}/{}", range.max_prefix_len());
        warnings.push(format!(
            "{path}: CIDR value {value:?} is ambiguous in this context (should be \"{range}\" or {single:?}?)"
        ));
    }
    if ip.parse::<IpAddr>().is_err() || meant != address || prefix != length.to_string() {
        warnings.push(format!(
            "{path}: non-standard CIDR value {value:?} will be considered invalid in a future Kubernetes release: use \
             \"{range}\""
        ));
    }
    if warnings.is_empty() && meant.is_ipv6() && range.to_string() != value {
        warnings
            .push(format!("{path}: IPv6 CIDR value {value:?} should be in RFC 5952 canonical format (\"{range}\")"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    //! Rows from Kubernetes' own table of these forms.

    use super::*;

    #[track_caller]
    fn check_ip(value: &str, expected: Option<&str>) {
        assert_eq!(warning_of_ip("f", value), expected.map(|text| format!("f: {text}")));
    }

    #[track_caller]
    fn check_cidr(value: &str, expected: &[&str]) {
        let expected: Vec<String> = expected.iter().map(|text| format!("f: {text}")).collect();
        assert_eq!(warnings_of_cidr("f", value), expected);
    }

    #[test]
    fn addresses() {
        const LATER: &str = "will be considered invalid in a future Kubernetes release: use";
        check_ip("192.12.2.2", None);
        check_ip("2001:db8::2", None);
        check_ip("192.012.2.2", Some(&format!("non-standard IP address \"192.012.2.2\" {LATER} \"192.12.2.2\"")));
        check_ip("::ffff:1.2.3.4", Some(&format!("non-standard IP address \"::ffff:1.2.3.4\" {LATER} \"1.2.3.4\"")));
        check_ip(
            "2001:db8:0:0::2",
            Some("IPv6 address \"2001:db8:0:0::2\" should be in RFC 5952 canonical format (\"2001:db8::2\")"),
        );
        check_ip("x", None);
    }

    #[test]
    fn ranges() {
        const LATER: &str = "will be considered invalid in a future Kubernetes release: use";
        check_cidr("192.12.2.0/24", &[]);
        check_cidr("2001:db8::/64", &[]);
        check_cidr(
            "192.12.2.0/024",
            &[&format!("non-standard CIDR value \"192.12.2.0/024\" {LATER} \"192.12.2.0/24\"")],
        );
        check_cidr(
            "::ffff:192.12.2.0/120",
            &[&format!("non-standard CIDR value \"::ffff:192.12.2.0/120\" {LATER} \"192.12.2.0/24\"")],
        );
        check_cidr(
            "192.012.2.8/24",
            &[
                "CIDR value \"192.012.2.8/24\" is ambiguous in this context (should be \"192.12.2.0/24\" or \"192.12.2.8/32\"?)",
                &format!("non-standard CIDR value \"192.012.2.8/24\" {LATER} \"192.12.2.0/24\""),
            ],
        );
        check_cidr(
            "2001:db8::1/64",
            &[
                "CIDR value \"2001:db8::1/64\" is ambiguous in this context (should be \"2001:db8::/64\" or \"2001:db8::1/128\"?)",
            ],
        );
        check_cidr(
            "2001:db8:0:0::/64",
            &["IPv6 CIDR value \"2001:db8:0:0::/64\" should be in RFC 5952 canonical format (\"2001:db8::/64\")"],
        );
        check_cidr("10.0.0.0/33", &[]);
    }
}
