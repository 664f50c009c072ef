//! ServiceCIDR: ranges of cluster IPs. Source: `pkg/apis/networking/validation`, `pkg/registry/networking/servicecidr`.

use super::access::texts;
use super::{Rules, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::Value;

/// The most ranges of one ServiceCIDR: one of each address family.
const RANGES_MAX: usize = 2;

/// Rules of ServiceCIDRs.
#[derive(Debug)]
pub struct ServiceCidr;

impl Rules for ServiceCidr {
    fn has_status(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (path, spec) = (Path::new("spec").child("cidrs"), &object["spec"]);
        let ranges: Vec<&str> = texts(spec, "cidrs").collect();
        let of_family_6: Vec<bool> = ranges.iter().map(|range| range.contains(':')).collect();
        if ranges.is_empty() {
            errors.push(Error::required(&path, "at least one CIDR required"));
        } else if ranges.len() > RANGES_MAX {
            errors.push(Error::invalid(&path, spec, "may only hold up to 2 values"));
        } else if of_family_6.len() == RANGES_MAX && of_family_6[0] == of_family_6[1] {
            let detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
            errors.push(Error::invalid(&path, spec, detail));
        } else {
            for (i, range) in ranges.iter().enumerate() {
                format::check_cidr(&mut errors, &path.index(i), range);
            }
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let ranges = |object| -> Vec<String> { texts(object, "cidrs").map(str::to_owned).collect() };
        let (now, before) = (ranges(&new["spec"]), ranges(&old["spec"]));
        // One of the other family may come behind the first.
        if now.len() > before.len() && now.starts_with(&before) {
            return self.validate(new);
        }
        let mut errors = ErrorList::new();
        format::check_immutable(&mut errors, &Path::new("spec"), &new["spec"], &old["spec"], "cidrs");
        errors
    }
}
