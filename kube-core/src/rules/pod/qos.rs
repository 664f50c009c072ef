//! The quality of service class of a pod. Source: `pkg/apis/core/helper/qos`.

use crate::rules::access::{entries, get, list};
use crate::rules::resource_list::{quantity, quantity_of};
use serde_json::Value;

/// `Guaranteed`, `Burstable` or `BestEffort`.
///
/// A request that is left out counts as its limit, as it will be defaulted: the class does not depend on whether
/// defaults have been filled in.
pub fn class(spec: &Value) -> &'static str {
    if let Some(resources) = get(spec, "resources")
        && (entries(resources, "limits").next().is_some() || entries(resources, "requests").next().is_some())
    {
        return class_of(&[resources]);
    }
    let resources: Vec<&Value> = ["containers", "initContainers"]
        .iter()
        .flat_map(|field| list(spec, field))
        .map(|container| &container["resources"])
        .collect();
    class_of(&resources)
}

fn class_of(all: &[&Value]) -> &'static str {
    let (mut any, mut guaranteed) = (false, true);
    for resources in all {
        for name in ["cpu", "memory"] {
            let positive = |list: &str| {
                let amount = quantity_of(&resources[list], name)?;
                (!amount.is_zero() && !amount.is_negative()).then_some(amount)
            };
            let limit = positive("limits");
            let given = resources["requests"].get(name).and_then(quantity).is_some();
            let request = if given { positive("requests") } else { limit };
            any |= limit.is_some() || request.is_some();
            guaranteed &= limit.is_some() && request == limit;
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
