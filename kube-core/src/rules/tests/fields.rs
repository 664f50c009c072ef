//! Every field of every kind by itself, with values of its own shape that are at the edge of it: no rule panics, on a create
//! or on an update to it or from it.

use super::examples::exercise;
use super::*;
use crate::catalog;
use crate::schema::{Shape, Type};
use std::collections::HashSet;

/// How one gets to a field from the object.
#[derive(Clone, Copy)]
enum Step {
    Field(&'static str),
    Element,
    Key,
}

/// Values of a shape at its edges.
fn edges(shape: Shape) -> Vec<Value> {
    let texts = |texts: &[&str]| texts.iter().map(|text| json!(text)).collect();
    match shape {
        Shape::String => texts(&["", "/", "a,b=c", "-", "é", &"x".repeat(300)]),
        Shape::Int32 => vec![json!(i32::MIN), json!(-1), json!(0), json!(i32::MAX)],
        Shape::Int64 => vec![json!(i64::MIN), json!(0), json!(i64::MAX)],
        Shape::Number => vec![json!(-1e300), json!(1e300)],
        Shape::Boolean => vec![json!(false), json!(true)],
        Shape::Bytes => texts(&["", "AA=="]),
        Shape::Quantity => texts(&["-1", "0", "1n", "9223372036854775807"]),
        Shape::IntOrString => {
            vec![json!(i32::MIN), json!(i32::MAX), json!(""), json!("%"), json!("99999999999999999999%")]
        }
        Shape::Time => texts(&["0001-01-02T00:00:00Z", "9999-12-30T00:00:00Z"]),
        Shape::MicroTime => texts(&["0001-01-02T00:00:00.000000Z", "9999-12-30T00:00:00.000000Z"]),
        Shape::Duration => texts(&["0s", "-2562047h47m16.854775808s"]),
        Shape::SchemaOrBool(_) => vec![json!(false), json!({})],
        Shape::SchemaOrArray(_) | Shape::SchemaOrStrings(_) => vec![json!([]), json!({})],
        Shape::FieldsV1 | Shape::RawExtension | Shape::Json | Shape::Object(_) => vec![json!({})],
        Shape::List(of) => edges(*of).into_iter().flat_map(|edge| [json!([edge]), json!([edge, edge])]).collect(),
        Shape::Map(of) => edges(*of).into_iter().flat_map(|edge| [json!({"": edge}), json!({"a/b/c": edge})]).collect(),
    }
}

/// The object that has only this.
fn at(steps: &[Step], value: Value) -> Value {
    steps.iter().rev().fold(value, |value, step| match step {
        Step::Field(name) => json!({*name: value}),
        Step::Element => json!([value]),
        Step::Key => json!({"a": value}),
    })
}

/// The types that are below a shape, and how one gets there.
fn below(mut shape: Shape, steps: &mut Vec<Step>) -> Option<&'static Type> {
    loop {
        match shape {
            Shape::Object(of) | Shape::SchemaOrBool(of) | Shape::SchemaOrArray(of) | Shape::SchemaOrStrings(of) => {
                return Some(of);
            }
            Shape::List(of) => {
                steps.push(Step::Element);
                shape = *of;
            }
            Shape::Map(of) => {
                steps.push(Step::Key);
                shape = *of;
            }
            _ => return None,
        }
    }
}

/// Holds an update against the rules, whatever they say.
fn update(new: &Value, old: &Value) {
    let rules = rules(old);
    let mut new = new.clone();
    rules.default(&mut new);
    rules.prepare_update(&mut new, old);
    rules.validate_update(&new, old);
    rules.prepare_status_update(&mut new, old);
    rules.validate_status_update(&new, old);
}

#[test]
fn no_field_makes_a_rule_panic() {
    let (mut seen, mut objects) = (HashSet::new(), 0);
    for resource in catalog::builtin() {
        let plain = created(object(&resource.api_version(), resource.kind, json!({})));
        let mut types = vec![(resource.schema_type(), Vec::new())];
        while let Some((of, above)) = types.pop() {
            // What kinds have in common, as a pod's template, is looked at in the first of them.
            for field in of.fields.iter().filter(|field| seen.insert((of.name, field.name))) {
                if above.is_empty() && matches!(field.name, "apiVersion" | "kind") {
                    continue;
                }
                let mut steps: Vec<Step> = above.clone();
                steps.push(Step::Field(field.name));
                for edge in edges(field.shape) {
                    let mut odd = object(&resource.api_version(), resource.kind, json!({}));
                    merge(&mut odd, at(&steps, edge));
                    exercise(&odd);
                    update(&odd, &plain);
                    update(&plain, &odd);
                    objects += 1;
                }
                types.extend(below(field.shape, &mut steps).map(|of| (of, steps)));
            }
        }
    }
    assert!(objects > 5000, "{objects} objects");
}
