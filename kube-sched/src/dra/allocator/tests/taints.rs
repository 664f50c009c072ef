//! Devices with taints. Source: KEP-5055, and the API's words on taints and tolerations of devices.

use super::*;

fn taint(key: &str, value: &str, effect: Effect) -> DeviceTaint {
    DeviceTaint { key: key.into(), value: value.into(), effect }
}

/// A toleration of `key=value:effect`, of each of which `None` stands for any.
fn toleration(key: Option<&str>, value: Option<&str>, effect: Option<Effect>) -> DeviceToleration {
    DeviceToleration { key: key.map(str::to_owned), value: value.map(str::to_owned), effect }
}

/// A device `bad` with these taints before a device `good` without.
fn tainted(taints: Vec<DeviceTaint>) -> Inventory {
    let bad = Device { taints, ..Device::new("bad") };
    inventory(vec![ResourceSlice::on_node("n", DRIVER, [bad, Device::new("good")])])
}

fn tolerant(tolerations: Vec<DeviceToleration>) -> Vec<ResourceClaim> {
    vec![claim("c", vec![ExactRequest { tolerations, ..several("gpu", 1) }])]
}

#[test]
fn taints_and_tolerations() {
    let broken = |effect| tainted(vec![taint("broken", "fan", effect)]);
    let (schedule, execute) = (Effect::NoSchedule, Effect::NoExecute);
    let check_given = |source: &str, effect, tolerations: Vec<DeviceToleration>, expected: &str| {
        check(source, &broken(effect), tolerant(tolerations), &format!("r0={expected}"));
    };
    check_given("KEP-5055: NoSchedule", schedule, vec![], "good");
    check_given("KEP-5055: NoExecute", execute, vec![], "good");
    check_given("API: an effect that is none of these", Effect::PreferNoSchedule, vec![], "bad");
    check_given("KEP-5055: Equal", schedule, vec![toleration(Some("broken"), Some("fan"), None)], "bad");
    check_given(
        "KEP-5055: Equal, another value",
        schedule,
        vec![toleration(Some("broken"), Some("ram"), None)],
        "good",
    );
    check_given("KEP-5055: Exists", execute, vec![toleration(Some("broken"), None, None)], "bad");
    check_given("KEP-5055: another key", schedule, vec![toleration(Some("slow"), None, None)], "good");
    check_given("API: no key, every key", schedule, vec![toleration(None, None, None)], "bad");
    check_given("KEP-5055: the effect", schedule, vec![toleration(Some("broken"), None, Some(schedule))], "bad");
    check_given("KEP-5055: another effect", execute, vec![toleration(Some("broken"), None, Some(schedule))], "good");
}

#[test]
fn every_taint_has_to_be_tolerated() {
    let two = tainted(vec![taint("broken", "", Effect::NoSchedule), taint("leaving", "", Effect::NoExecute)]);
    let (broken, leaving) = (toleration(Some("broken"), None, None), toleration(Some("leaving"), None, None));
    check("KEP-5055: one of two", &two, tolerant(vec![broken.clone()]), "r0=good");
    check("KEP-5055: both", &two, tolerant(vec![broken.clone(), leaving]), "r0=bad");
    let one = tainted(vec![taint("broken", "", Effect::NoSchedule)]);
    check("KEP-5055: All cannot leave one out", &one, vec![claim("c", vec![all("gpu")])], "none");
    let tolerated = ExactRequest { tolerations: vec![broken.clone()], ..all("gpu") };
    check("KEP-5055: All, tolerated", &one, vec![claim("c", vec![tolerated])], "r0=bad r0=good");
    let looking = ExactRequest { admin_access: true, ..all("gpu") };
    check("KEP-5055: whoever only looks tolerates it too, or not", &one, vec![claim("c", vec![looking])], "none");
    let alternatives = vec![
        ExactRequest { name: "two".into(), ..several("gpu", 2) },
        ExactRequest { name: "any".into(), tolerations: vec![broken], ..several("gpu", 2) },
    ];
    let request = DeviceRequest { name: "r".into(), alternatives };
    check(
        "KEP-5055: each alternative tolerates for itself",
        &one,
        vec![ResourceClaim { requests: vec![request], ..claim("c", vec![]) }],
        "r/any=bad r/any=good",
    );
}
