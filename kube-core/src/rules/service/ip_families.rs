//! Errors of a Service's cluster IPs and of the IP families they belong to. Source: KEP-563 (dual stack).

use super::{HEADLESS, is_headless};
use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{list, text, texts};
use crate::rules::format;
use serde_json::Value;
use std::collections::HashSet;

const FAMILIES: [&str; 2] = ["IPv4", "IPv6"];

/// Checks `clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy` against each other. The server calls this again
/// after it has allocated what was left out.
pub(super) fn check(errors: &mut ErrorList, path: &Path, spec: &Value) {
    if text(spec, "type") == "ExternalName" {
        return;
    }
    let field = path.child("clusterIPs");
    let ips: Vec<&str> = texts(spec, "clusterIPs").collect();
    let shown = Value::from(list(spec, "clusterIPs"));
    match (text(spec, "clusterIP"), ips.first()) {
        ("", Some(_)) => {
            errors.push(Error::invalid(&field, &shown, "must be empty when `clusterIP` is not specified"));
        }
        ("", None) => {}
        (_, None) => errors.push(Error::required(&field, "")),
        (ip, Some(first)) if ip != *first => {
            errors.push(Error::invalid(&field, &shown, "first value must match `clusterIP`"));
        }
        _ => {}
    }
    let families: Vec<&str> = texts(spec, "ipFamilies").collect();
    let mut seen = HashSet::new();
    for (index, family) in families.iter().enumerate() {
        let path = path.child("ipFamilies").index(index);
        if !FAMILIES.contains(family) {
            errors.push(Error::not_supported(&path, &(*family).into(), &FAMILIES));
        }
        if !seen.insert(family) {
            errors.push(Error::duplicate(&path, &(*family).into()));
        }
    }
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    format::check_optional(errors, path, spec, "ipFamilyPolicy", &policies);
    if !check_addresses(errors, &field, &ips, &shown) {
        return;
    }
    let dual = ips.len() == 2 && ips[0].contains(':') != ips[1].contains(':');
    if ips.len() > 1 && !dual {
        errors.push(Error::invalid(&field, &shown, "may specify no more than one IP for each IP family"));
    }
    if is_headless(spec) {
        return;
    }
    for (index, (ip, family)) in ips.iter().zip(&families).enumerate() {
        if FAMILIES.contains(family) && ip.contains(':') != (*family == "IPv6") {
            let text = format!("expected an {family} value as indicated by `ipFamilies[{index}]`");
            errors.push(Error::invalid(&field.index(index), &(*ip).into(), &text));
        }
    }
}

/// Whether every address is one, and `None` stands alone.
fn check_addresses(errors: &mut ErrorList, field: &Path, ips: &[&str], shown: &Value) -> bool {
    let mut valid = true;
    for (index, ip) in ips.iter().enumerate() {
        if index == 0 && *ip == HEADLESS {
            if ips.len() > 1 {
                valid = false;
                errors.push(Error::invalid(field, shown, "'None' must be the first and only value"));
            }
            continue;
        }
        valid &= format::parse_ip(ip).is_some();
        format::check_ip(errors, &field.index(index), ip);
    }
    if ips.len() > 2 {
        errors.push(Error::invalid(field, shown, "may only hold up to 2 values"));
    }
    valid
}
