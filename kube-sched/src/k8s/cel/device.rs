//! A device as expressions see it.

use crate::dra::{Attribute, Device};
use kube_cel::cel::common::ast::operators::INDEX;
use kube_cel::cel::common::ast::{EntryExpr, Expr, IdedExpr};
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, ExecutionError, Program, Value};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

static QUANTITY: LazyLock<Program> = LazyLock::new(|| constructor("quantity(text)"));
static SEMVER: LazyLock<Program> = LazyLock::new(|| constructor("semver(text)"));

fn constructor(expression: &str) -> Program {
    Program::compile(expression).expect("a call of one function")
}

/// What stands for the index in `device.attributes[domain]`: no name that an expression could write.
pub(super) const DOMAIN: &str = "@domain";

/// Has `device.attributes[domain]` and `device.capacity[domain]` give an empty map of a domain that the device knows nothing
/// of, while to `in`, `size` and macros it is not there. Source: `mapper` of Kubernetes' `dynamic-resource-allocation/cel`.
pub(super) fn default_domains(expression: &mut IdedExpr) {
    match &mut expression.expr {
        Expr::Call(call) => {
            if call.func_name == INDEX && call.args.first().is_some_and(are_domains) {
                DOMAIN.clone_into(&mut call.func_name);
            }
            call.target.iter_mut().map(|target| &mut **target).chain(&mut call.args).for_each(default_domains);
        }
        Expr::Comprehension(it) => {
            let parts = [&mut it.iter_range, &mut it.accu_init, &mut it.loop_cond, &mut it.loop_step, &mut it.result];
            parts.into_iter().for_each(default_domains);
        }
        Expr::List(list) => list.elements.iter_mut().for_each(default_domains),
        Expr::Map(map) => map.entries.iter_mut().for_each(|entry| default_in_entry(&mut entry.expr)),
        Expr::Struct(fields) => fields.entries.iter_mut().for_each(|entry| default_in_entry(&mut entry.expr)),
        Expr::Select(select) => default_domains(&mut select.operand),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
    }
}

fn default_in_entry(entry: &mut EntryExpr) {
    match entry {
        EntryExpr::StructField(field) => default_domains(&mut field.value),
        EntryExpr::MapEntry(entry) => {
            default_domains(&mut entry.key);
            default_domains(&mut entry.value);
        }
    }
}

/// Whether an expression is `device.attributes` or `device.capacity`; a macro may call the device otherwise.
fn are_domains(expression: &IdedExpr) -> bool {
    let Expr::Select(select) = &expression.expr else { return false };
    matches!(select.operand.expr, Expr::Ident(_)) && matches!(select.field.as_str(), "attributes" | "capacity")
}

/// What the device knows of a domain, by name.
pub(super) fn domain(domains: Value, name: Value) -> Result<Value, ExecutionError> {
    let (Value::Map(domains), Value::String(name)) = (domains, name) else {
        return Err(ExecutionError::NoSuchOverload);
    };
    Ok(domains.get(&Key::String(name)).cloned().unwrap_or_else(|| map(std::iter::empty())))
}

/// The value of `device`.
///
/// # Errors
/// Which of the device's attributes is none that an expression could see.
pub(super) fn value(functions: &Context<'_>, driver: &str, device: &Device) -> Result<Value, String> {
    let attributes = device.attributes.iter().map(|(name, attribute)| {
        let value = match attribute {
            Attribute::Int(number) => Ok(Value::Int(*number)),
            Attribute::Bool(value) => Ok(Value::Bool(*value)),
            Attribute::Text(value) => Ok(text(value)),
            Attribute::Version(version) => construct(functions, &SEMVER, version),
        };
        Ok((name.as_str(), value.map_err(|error| format!("attribute {name}: {error}"))?))
    });
    let capacity = device.capacity.iter().map(|(name, amount)| {
        let value = construct(functions, &QUANTITY, &amount.value.to_string());
        Ok((name.as_str(), value.map_err(|error| format!("capacity {name}: {error}"))?))
    });
    let parts = [
        ("driver", text(driver)),
        ("allowMultipleAllocations", Value::Bool(device.shared)),
        ("attributes", by_domain(attributes)?),
        ("capacity", by_domain(capacity)?),
    ];
    Ok(map(parts.into_iter().map(|(name, value)| (name.to_owned(), value))))
}

/// Maps by domain of values by name.
fn by_domain<'a>(values: impl Iterator<Item = Result<(&'a str, Value), String>>) -> Result<Value, String> {
    let mut domains: HashMap<&str, HashMap<Key, Value>> = HashMap::new();
    for value in values {
        let (qualified, value) = value?;
        let (domain, name) = qualified.split_once('/').unwrap_or(("", qualified));
        domains.entry(domain).or_default().insert(name.to_owned().into(), value);
    }
    let maps = domains.into_iter().map(|(domain, names)| (domain.to_owned(), Value::Map(Map { map: names.into() })));
    Ok(map(maps))
}

fn text(value: &str) -> Value {
    Value::String(Arc::new(value.to_owned()))
}

fn map(entries: impl Iterator<Item = (String, Value)>) -> Value {
    let map: HashMap<Key, Value> = entries.map(|(key, value)| (key.into(), value)).collect();
    Value::Map(Map { map: map.into() })
}

/// A value that only a function of the language can make.
fn construct(functions: &Context<'_>, constructor: &Program, from: &str) -> Result<Value, String> {
    let mut context = functions.new_inner_scope();
    context.add_variable_from_value("text", text(from));
    constructor.execute(&context).map_err(|error| error.to_string())
}
