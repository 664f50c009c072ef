//! Expressions as the documentation and drivers write them.

use super::*;
use crate::dra::Attribute;

fn device() -> Device {
    let mut device = Device::new("gpu-0")
        .attribute("gpu.example.com/model", Attribute::Text("LATEST-GPU-MODEL".into()))
        .attribute("gpu.example.com/index", Attribute::Int(3))
        .attribute("gpu.example.com/shared", Attribute::Bool(false))
        .attribute("gpu.example.com/driverVersion", Attribute::Version("1.2.10".into()));
    device.capacity.insert("gpu.example.com/memory".into(), (80 << 30).into());
    device
}

#[track_caller]
fn check(expression: &str, expected: Result<bool, &str>) {
    let found = selector(expression).matches("gpu.example.com", &device().into());
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
    check("device.allowMultipleAllocations", Ok(false));
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
fn functions_of_the_libraries() {
    check("[1, 2, 3].exists(x, x == 2) && ['a', 'b'].all(x, x != 'c')", Ok(true));
    check("device.attributes['gpu.example.com'].exists(name, name == 'model')", Ok(true));
    check("device.attributes['gpu.example.com'].model.matches('^LATEST-.*$')", Ok(true));
    check("device.attributes['gpu.example.com'].model.split('-').size() == 3", Ok(true));
    check("sets.contains([1, 2, 3], [device.attributes['gpu.example.com'].index])", Ok(true));
    check("device.capacity['gpu.example.com'].memory.asInteger() == 85899345920", Ok(true));
}

/// Rows with a name are those of `compile_test.go` of Kubernetes' `dynamic-resource-allocation/cel`.
#[test]
fn a_domain_that_the_device_knows_nothing_of_is_empty_where_it_is_looked_into_and_else_not_there() {
    check("'elsewhere' in device.attributes", Ok(false)); // domain-check-negative
    check("'gpu.example.com' in device.attributes", Ok(true)); // domain-check-positive
    check("device.attributes['elsewhere'].vendor == 'x'", Err("No such key: vendor")); // runtime-error-lookup-identifier
    check("device.attributes['elsewhere']['vendor'] == 'x'", Err("No such key: vendor")); // runtime-error-lookup-map
    check("'elsewhere' in device.attributes && device.attributes['elsewhere'].vendor == 'x'", Ok(false));
    check("'gpu.example.com' in device.attributes && device.attributes['gpu.example.com'].index == 3", Ok(true));
    check("'elsewhere' in device.capacity || size(device.capacity['elsewhere']) == 0", Ok(true));
    check("size(device.attributes) == 1 && device.attributes.all(domain, domain == device.driver)", Ok(true));
    check("device.attributes[device.driver].index == 3 && !has(device.attributes['else' + 'where'].model)", Ok(true));
    check("[device].all(it, it.attributes['elsewhere'].size() == 0)", Ok(true));
    check("device.attributes[1].index == 3", Err("No such overload"));
}

#[test]
fn errors_say_what_is_wrong() {
    check("device.attributes['gpu.example.com'].vendor == 'x'", Err("No such key: vendor"));
    check("device.attributes['gpu.example.com'].vendor == 'x' || true", Ok(true));
    check("device.attributes['gpu.example.com'].vendor == 'x' && false", Ok(false));
    check("device.attributes['gpu.example.com'].model", Err("must be a bool, not string"));
    check("claim.name == 'x'", Err("Undeclared reference to 'claim'"));
    check("1 / 0 == 1", Err("Division by zero"));
    check("9223372036854775807 + 1 > 0", Err("Overflow"));
    check("99999999999999999999 > 0", Err("compile error"));
    check("device.driver == ", Err("compile error"));
    check("device.driver == 'x", Err("compile error"));
    check("device..driver", Err("compile error"));
    check("device.driver == 'x' 'y'", Err("compile error"));
    check("1 < 'a'", Err("No such overload"));
    check("'a'.unheard('a')", Err("Undeclared reference to 'unheard'"));
    check("a # b", Err("compile error"));
    check("semver('1.2') == semver('1.2')", Err("invalid semver"));
    check("quantity('many') == quantity('1')", Err("quantity"));
}

#[test]
fn an_attribute_that_is_no_version_is_named() {
    let device = Device::new("gpu-0").attribute("gpu.example.com/version", Attribute::Version("one".into()));
    let found = selector("device.driver == 'gpu.example.com'").matches("gpu.example.com", &device.into());
    assert!(found.unwrap_err().starts_with("attribute gpu.example.com/version: "));
}

/// Each of these would overflow the stack, exhaust memory or take days.
#[test]
fn expressions_beyond_the_bounds_are_refused() {
    check(&format!("{}1{} == 1", "(".repeat(500), ")".repeat(500)), Err("compile error"));
    check(&format!("{} true", "true ? true : ".repeat(500)), Err("compile error"));
    check(&format!("{}1{} == 1", "(".repeat(64), ")".repeat(64)), Ok(true));
    check(&format!("{} true", "true ? true : ".repeat(24)), Ok(true));
    check(&format!("device{}", ".a".repeat(500)), Err("nested more than 32 deep"));
    check(&format!("1{} > 0", "+1".repeat(500)), Err("nested more than 32 deep"));
    check(&format!("1{} > 0", "+1".repeat(5000)), Err("nested more than 32 deep"));
    check(&format!("device{}", "['a']".repeat(500)), Err("nested more than 32 deep"));
    check(&format!("'{}' == 'a'", "a".repeat(20_000)), Err("longer than 10240 bytes"));
    let list = format!("[{}0]", "0,".repeat(300));
    let nested = format!("{list}.all(a, {list}.all(b, {list}.all(c, a == b)))");
    check(&nested, Err("may take more than 1000000 steps"));
    let growing = format!("'{0}'.replace('a', '{0}').replace('a', '{0}') == ''", "a".repeat(1000));
    check(&growing, Err("may take more than"));
    check(&format!("['{}']{} == []", "a".repeat(1000), ".map(x, x + x)".repeat(15)), Err("may take more than"));
}

#[test]
fn long_alternatives_are_no_deep_ones() {
    let index = "device.attributes['gpu.example.com'].index == 4";
    let alternatives = format!("{} || device.driver == 'gpu.example.com'", vec![index; 60].join(" || "));
    check(&alternatives, Ok(true));
}
