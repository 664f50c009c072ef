//! A device as expressions see it.

use crate::dra::{Attribute, Device};
use kube_cel::cel::common::ast::operators::{IN, INDEX};
use kube_cel::cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, Program, Value};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

static QUANTITY: LazyLock<Program> = LazyLock::new(|| constructor("quantity(text)"));
static SEMVER: LazyLock<Program> = LazyLock::new(|| constructor("semver(text)"));

fn constructor(expression: &str) -> Program {
    Program::compile(expression).expect("a call of one function")
}

/// The domains that an expression asks for by name: those that a device knows nothing of are there, and empty.
#[derive(Debug, Default)]
pub(super) struct Domains(Vec<String>);

impl Domains {
    /// The texts that an expression uses as keys.
    pub(super) fn of(expression: &IdedExpr) -> Self {
        let mut domains = Self::default();
        domains.collect(expression);
        domains
    }

    fn collect(&mut self, expression: &IdedExpr) {
        match &expression.expr {
            Expr::Call(call) => {
                let key = match call.func_name.as_str() {
                    INDEX => call.args.get(1),
                    IN => call.args.first(),
                    _ => None,
                };
                if let Some(Expr::Literal(LiteralValue::String(key))) = key.map(|key| &key.expr) {
                    self.0.push(key.inner().to_owned());
                }
                call.target.iter().map(|target| &**target).chain(&call.args).for_each(|part| self.collect(part));
            }
            Expr::Comprehension(it) => {
                let parts = [&it.iter_range, &it.accu_init, &it.loop_cond, &it.loop_step, &it.result];
                parts.into_iter().for_each(|part| self.collect(part));
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.collect(element)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.collect_entry(&entry.expr)),
            Expr::Struct(fields) => fields.entries.iter().for_each(|entry| self.collect_entry(&entry.expr)),
            Expr::Select(select) => self.collect(&select.operand),
            Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        }
    }

    fn collect_entry(&mut self, entry: &EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.collect(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.collect(&entry.key);
                self.collect(&entry.value);
            }
        }
    }

    /// The value of `device`.
    ///
    /// # Errors
    /// Which of the device's attributes is none that an expression could see.
    pub(super) fn device(&self, functions: &Context<'_>, driver: &str, device: &Device) -> Result<Value, String> {
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
            let value = construct(functions, &QUANTITY, &amount.to_string());
            Ok((name.as_str(), value.map_err(|error| format!("capacity {name}: {error}"))?))
        });
        let parts = [
            ("driver", text(driver)),
            ("attributes", self.by_domain(attributes)?),
            ("capacity", self.by_domain(capacity)?),
        ];
        Ok(map(parts.into_iter().map(|(name, value)| (name.to_owned(), value))))
    }

    /// Maps by domain of values by name.
    fn by_domain<'a>(&self, values: impl Iterator<Item = Result<(&'a str, Value), String>>) -> Result<Value, String> {
        let mut domains: HashMap<&str, HashMap<Key, Value>> =
            self.0.iter().map(|domain| (domain.as_str(), HashMap::new())).collect();
        for value in values {
            let (qualified, value) = value?;
            let (domain, name) = qualified.split_once('/').unwrap_or(("", qualified));
            domains.entry(domain).or_default().insert(name.to_owned().into(), value);
        }
        let maps =
            domains.into_iter().map(|(domain, names)| (domain.to_owned(), Value::Map(Map { map: names.into() })));
        Ok(map(maps))
    }
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
