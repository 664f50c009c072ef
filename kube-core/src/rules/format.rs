//! Checks of single values, with Kubernetes' texts. The names' syntax itself is in [`crate::meta::syntax`].
//!
//! Paths are made only where there is something to report: most objects are valid.
//! Source: `k8s.io/apimachinery/pkg/util/validation`.

use super::access::{get, int, text};
use crate::field::{Error, ErrorList, Path};
use crate::meta::syntax;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) use crate::meta::syntax::{
    dns1123_label as label, label_value, path_segment_name as path_segment, qualified_name,
};

/// What an error on a field that may not change says.
pub(super) const IMMUTABLE: &str = "field is immutable";
/// What an error on a negative number says.
pub(super) const NEGATIVE: &str = "must be greater than or equal to 0";
/// What an error on a number that must be positive says.
pub(super) const NOT_POSITIVE: &str = "must be greater than zero";

/// Reports each message as an invalid value.
pub(super) fn invalid(errors: &mut ErrorList, path: &Path, value: &str, messages: Vec<String>) {
    for message in messages {
        errors.push(Error::invalid(path, &value.into(), &message));
    }
}

/// An RFC 1123 label.
pub(super) fn check_label(errors: &mut ErrorList, path: &Path, value: &str) {
    invalid(errors, path, value, label(value));
}

/// An RFC 1123 subdomain.
pub(super) fn check_subdomain(errors: &mut ErrorList, path: &Path, value: &str) {
    invalid(errors, path, value, syntax::dns1123_subdomain(value));
}

/// A qualified name.
pub(super) fn check_qualified_name(errors: &mut ErrorList, path: &Path, value: &str) {
    invalid(errors, path, value, qualified_name(value));
}

/// A label's key.
pub(super) fn check_label_key(errors: &mut ErrorList, path: &Path, value: &str) {
    invalid(errors, path, value, qualified_name(value));
}

/// A path below a domain: `example.com/name`.
pub(super) fn check_domain_prefixed_path(errors: &mut ErrorList, path: &Path, value: &str) {
    if value.is_empty() {
        errors.push(Error::required(path, ""));
        return;
    }
    let Some((domain, rest)) = value.split_once('/').filter(|(domain, rest)| !domain.is_empty() && !rest.is_empty())
    else {
        let text = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        errors.push(Error::invalid(path, &value.into(), text));
        return;
    };
    check_subdomain(errors, path, domain);
    let in_path = |c: u8| c.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&c);
    if !rest.bytes().all(in_path) {
        let text = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
        errors.push(Error::invalid(path, &rest.into(), text));
    }
}

/// A key of the map at `path`, under the rules of ConfigMaps and Secrets.
pub(super) fn check_config_key(errors: &mut ErrorList, path: &Path, key: &str) {
    let messages = syntax::config_map_key(key);
    if !messages.is_empty() {
        invalid(errors, &path.key(key), key, messages);
    }
}

/// A string field of `object` that must have one of these values.
pub(super) fn check_supported(errors: &mut ErrorList, path: &Path, object: &Value, field: &str, supported: &[&str]) {
    check_value(errors, path, field, text(object, field), supported);
}

fn check_value(errors: &mut ErrorList, path: &Path, field: &str, value: &str, supported: &[&str]) {
    if !supported.contains(&value) {
        errors.push(Error::not_supported(&path.child(field), &value.into(), supported));
    }
}

/// As [`check_supported`], where absent is fine.
pub(super) fn check_optional(errors: &mut ErrorList, path: &Path, object: &Value, field: &str, supported: &[&str]) {
    if let Some(value) = get(object, field) {
        check_value(errors, path, field, value.as_str().unwrap_or_default(), supported);
    }
}

/// As [`check_supported`], where absent is "Required value".
pub(super) fn check_required(errors: &mut ErrorList, path: &Path, object: &Value, field: &str, supported: &[&str]) {
    match text(object, field) {
        "" => errors.push(Error::required(&path.child(field), "")),
        value => check_value(errors, path, field, value, supported),
    }
}

/// A string field that may not be empty.
pub(super) fn check_present(errors: &mut ErrorList, path: &Path, object: &Value, field: &str) {
    if text(object, field).is_empty() {
        errors.push(Error::required(&path.child(field), ""));
    }
}

/// A number that may not be negative; absent is fine.
pub(super) fn check_non_negative(errors: &mut ErrorList, path: &Path, object: &Value, field: &str) {
    if let Some(value) = int(object, field).filter(|value| *value < 0) {
        errors.push(Error::invalid(&path.child(field), &value.into(), NEGATIVE));
    }
}

/// A number between two bounds; absent is fine.
pub(super) fn check_range(errors: &mut ErrorList, path: &Path, object: &Value, field: &str, least: i64, most: i64) {
    if let Some(value) = int(object, field).filter(|value| !(least..=most).contains(value)) {
        let text = format!("must be between {least} and {most}, inclusive");
        errors.push(Error::invalid(&path.child(field), &value.into(), &text));
    }
}

/// A number that may not exceed another of the same object; absent is 0.
pub(super) fn check_at_most(
    errors: &mut ErrorList,
    path: &Path,
    object: &Value,
    field: &str,
    bound: &str,
    message: &str,
) {
    let value = int(object, field).unwrap_or(0);
    if value > int(object, bound).unwrap_or(0) {
        errors.push(Error::invalid(&path.child(field), &value.into(), message));
    }
}

/// A field that an update may not change.
pub(super) fn check_immutable(errors: &mut ErrorList, path: &Path, new: &Value, old: &Value, field: &str) {
    if get(new, field) != get(old, field) {
        errors.push(Error::invalid(&path.child(field), new.get(field).unwrap_or(&Value::Null), IMMUTABLE));
    }
}

/// A counter that only grows: `collisionCount`.
pub(super) fn check_not_decremented(errors: &mut ErrorList, path: &Path, new: &Value, old: &Value, field: &str) {
    let now = int(new, field).unwrap_or(0);
    if int(old, field).is_some_and(|before| now < before || get(new, field).is_none()) {
        errors.push(Error::invalid(&path.child(field), &now.into(), "cannot be decremented"));
    }
}

/// A port number.
pub(super) fn check_port(errors: &mut ErrorList, path: &Path, port: i64) {
    for message in syntax::port_number(port) {
        errors.push(Error::invalid(path, &port.into(), &message));
    }
}

/// A port number or name.
pub(super) fn check_port_or_name(errors: &mut ErrorList, path: &Path, port: &Value) {
    match port {
        Value::String(name) => invalid(errors, path, name, syntax::port_name(name)),
        other => check_port(errors, path, other.as_i64().unwrap_or(0)),
    }
}

/// An integer that is not negative, or a percentage.
pub(super) fn check_int_or_percent(errors: &mut ErrorList, path: &Path, object: &Value, field: &str) {
    match object.get(field) {
        Some(Value::String(value)) if percentage(value).is_none() => {
            let text = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
            errors.push(Error::invalid(&path.child(field), &value.as_str().into(), text));
        }
        Some(Value::Number(_)) => check_non_negative(errors, path, object, field),
        _ => {}
    }
}

/// A percentage of at most 100.
pub(super) fn check_not_above_100_percent(errors: &mut ErrorList, path: &Path, object: &Value, field: &str) {
    if percentage(text(object, field)).is_some_and(|percent| percent > 100) {
        errors.push(Error::invalid(&path.child(field), &object[field], "must not be greater than 100%"));
    }
}

/// The number of an integer or a percentage; 0 where it is neither.
pub(super) fn int_or_percent_value(object: &Value, field: &str) -> i64 {
    match object.get(field) {
        Some(Value::String(value)) => percentage(value).unwrap_or(0),
        Some(value) => value.as_i64().unwrap_or(0),
        None => 0,
    }
}

fn percentage(value: &str) -> Option<i64> {
    let digits = value.strip_suffix('%')?;
    (!digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

/// An IP address. Leading zeros in IPv4 octets are read as decimal, as Kubernetes has always done.
pub(super) fn parse_ip(value: &str) -> Option<IpAddr> {
    value.parse().ok().or_else(|| {
        let octets: Vec<u8> = value
            .split('.')
            .map(|octet| if octet.bytes().all(|c| c.is_ascii_digit()) { octet.parse().ok() } else { None })
            .collect::<Option<_>>()?;
        <[u8; 4]>::try_from(octets).ok().map(|octets| IpAddr::V4(Ipv4Addr::from(octets)))
    })
}

/// Reports what is not an IP address.
pub(super) fn check_ip(errors: &mut ErrorList, path: &Path, value: &str) {
    if parse_ip(value).is_none() {
        let text = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        errors.push(Error::invalid(path, &value.into(), text));
    }
}

/// An IP range in CIDR notation.
pub(super) fn check_cidr(errors: &mut ErrorList, path: &Path, value: &str) {
    let valid = value.split_once('/').is_some_and(|(ip, prefix)| {
        let most = match parse_ip(ip) {
            Some(IpAddr::V4(_)) => 32,
            Some(IpAddr::V6(_)) => 128,
            None => return false,
        };
        !prefix.is_empty()
            && prefix.bytes().all(|c| c.is_ascii_digit())
            && prefix.parse::<u8>().is_ok_and(|prefix| prefix <= most)
    });
    if !valid {
        let text = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
        errors.push(Error::invalid(path, &value.into(), text));
    }
}

/// An address that other machines can reach: not unspecified, loopback or link-local.
pub(super) fn check_reachable_ip(errors: &mut ErrorList, path: &Path, value: &str) {
    let Some(ip) = parse_ip(value) else {
        errors.push(Error::invalid(path, &value.into(), "must be a valid IP address"));
        return;
    };
    let (link_local, link_local_multicast) = match ip {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), is_link_local_multicast(v6)),
    };
    let mut report = |text: &str| errors.push(Error::invalid(path, &value.into(), text));
    if ip.is_unspecified() {
        report(&format!("may not be unspecified ({value})"));
    }
    if ip.is_loopback() {
        report("may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if link_local {
        report("may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if link_local_multicast {
        report("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

fn is_link_local_multicast(ip: Ipv6Addr) -> bool {
    ip.octets()[0] == 0xff && ip.octets()[1] & 0x0f == 0x02
}

/// A user or group id.
pub(super) fn check_id(errors: &mut ErrorList, path: &Path, object: &Value, field: &str) {
    check_range(errors, path, object, field, 0, i64::from(i32::MAX));
}

/// A path without `..` among its elements.
pub(super) fn check_no_backsteps(errors: &mut ErrorList, path: &Path, value: &str) {
    if value.split('/').any(|element| element == "..") {
        errors.push(Error::invalid(path, &value.into(), "must not contain '..'"));
    }
}

/// A relative path without `..` among its elements.
pub(super) fn check_descending(errors: &mut ErrorList, path: &Path, value: &str) {
    if value.starts_with('/') {
        errors.push(Error::invalid(path, &value.into(), "must be a relative path"));
    }
    check_no_backsteps(errors, path, value);
}

/// A relative path without `..` among its elements or at its start.
pub(super) fn check_not_reserved(errors: &mut ErrorList, path: &Path, value: &str) {
    check_descending(errors, path, value);
    if value.starts_with("..") && !value.starts_with("../") && value != ".." {
        errors.push(Error::invalid(path, &value.into(), "must not start with '..'"));
    }
}

/// How many bytes a base64 string stands for.
pub(super) fn decoded_bytes(encoded: &str) -> usize {
    let padding = encoded.bytes().rev().take_while(|c| *c == b'=').count();
    (encoded.len() / 4 * 3).saturating_sub(padding)
}
