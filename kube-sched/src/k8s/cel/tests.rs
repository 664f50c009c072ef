//! Expressions as the documentation and drivers write them.

use super::*;
use crate::dra::Attribute;

fn device() -> Device {
    let mut device = Device::new("gpu-0")
        .attribute("gpu.example.com/model", Attribute::Text("LATEST-GPU-MODEL".into()))
        .attribute("gpu.example.com/index", Attribute::Int(3))
        .attribute("gpu.example.com/shared", Attribute::Bool(false))
        .attribute("gpu.example.com/driverVersion", Attribute::Version("1.2.10".into()));
    device.capacity.insert("gpu.example.com/memory".into(), 80 << 30);
    device
}

#[track_caller]
fn check(expression: &str, expected: Result<bool, &str>) {
    let found = selector(expression).matches("gpu.example.com", &device());
    match (&found, expected) {
        (Ok(found), Ok(expected)) => assert_eq!(*found, expected),
        (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
        _ => panic!("{expression}: {found:?}"),
    }
}

#[test]
fn expressions_of_the_documentation() {
    check("device.driver == \"gpu.example.com\"", Ok(true));
    check("device.driver == 'other'", Ok(false));
    check("device.attributes[\"gpu.example.com\"].model == \"LATEST-GPU-MODEL\"", Ok(true));
    check("device.attributes['gpu.example.com'].model.lowerAscii().startsWith('latest')", Ok(true));
    check(
        "device.attributes['gpu.example.com'].index >= 2 && device.attributes['gpu.example.com'].index < 4",
        Ok(true),
    );
    check("device.attributes['gpu.example.com'].index in [1, 2, 3]", Ok(true));
    check("!device.attributes['gpu.example.com'].shared", Ok(true));
    check("device.capacity['gpu.example.com'].memory.compareTo(quantity('40Gi')) >= 0", Ok(true));
    check("device.capacity['gpu.example.com'].memory.isGreaterThan(quantity('100Gi'))", Ok(false));
    check("device.capacity['gpu.example.com'].memory == quantity(\"80Gi\")", Ok(true));
    check("device.attributes['gpu.example.com'].driverVersion.compareTo(semver('1.2.9')) > 0", Ok(true));
    check("device.attributes['gpu.example.com'].driverVersion.isLessThan(semver('1.2.10-rc.1'))", Ok(false));
    check("has(device.attributes['gpu.example.com'].model)", Ok(true));
    check("has(device.attributes['gpu.example.com'].vendor)", Ok(false));
    check("has(device.attributes['elsewhere'].model) ? false : size('abc') == 3", Ok(true));
}

#[test]
fn operators() {
    check("1 + 2 * 3 == 7 && (1 + 2) * 3 == 9", Ok(true));
    check("7 / 2 == 3 && 7 % 2 == 1 && -7 < 0 && 2 - 1 - 1 == 0", Ok(true));
    check("'a' + 'b' == 'ab' && 'ab'.endsWith('b') && 'ab'.contains('a')", Ok(true));
    check("false || !false && true", Ok(true));
    check("true ? 1 == 1 : 1 / 0 == 1", Ok(true));
    check("1 != '1'", Ok(true));
    check("'it\\'s' == \"it's\"", Ok(true));
}

#[test]
fn errors_say_what_is_wrong() {
    check("device.attributes['gpu.example.com'].vendor == 'x'", Err("no such key: vendor"));
    check("device.attributes['gpu.example.com'].vendor == 'x' || true", Ok(true));
    check("device.attributes['gpu.example.com'].vendor == 'x' && false", Ok(false));
    check("device.attributes['gpu.example.com'].model", Err("must be a bool, not a string"));
    check("claim.name == 'x'", Err("undeclared reference to \"claim\""));
    check("1 / 0 == 1", Err("division by zero"));
    check("9223372036854775807 + 1 > 0", Err("integer overflow"));
    check("99999999999999999999 > 0", Err("too large"));
    check("device.driver == ", Err("compile error: unexpected end"));
    check("device.driver == 'x", Err("does not end"));
    check("device..driver", Err("expected a name"));
    check("device.driver == 'x' 'y'", Err("unexpected \"y\""));
    check("1 < 'a'", Err("cannot be compared"));
    check("'a'.matches('a')", Err("undeclared function"));
    check("a # b", Err("unexpected character"));
    check(&format!("{}1{} == 1", "(".repeat(1000), ")".repeat(1000)), Err("nested more than 64 deep"));
    check(&format!("{}true", "!".repeat(10_000)), Err("nested more than 64 deep"));
    check("semver('1.2') == semver('1.2')", Err("no semantic version"));
}
