//! From a tree and a device to a value.

use super::parse::{Binary, Expression};
use crate::dra::{Attribute, Device};
use std::cmp::Ordering;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Int(i64),
    Text(String),
    /// A quantity, in whole units.
    Quantity(i64),
    Version(Vec<VersionPart>),
    List(Vec<Value>),
    Device,
    Attributes,
    Capacities,
    /// The attributes of a domain.
    AttributesOf(String),
    /// The capacities of a domain.
    CapacitiesOf(String),
}

/// Numbers rank below text, as in semantic versions; a release above its pre-releases.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum VersionPart {
    Number(u64),
    Text(String),
    Release,
}

impl Value {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an int",
            Self::Text(_) => "a string",
            Self::Quantity(_) => "a quantity",
            Self::Version(_) => "a version",
            Self::List(_) => "a list",
            Self::Device => "a device",
            Self::Attributes | Self::Capacities | Self::AttributesOf(_) | Self::CapacitiesOf(_) => "a map",
        }
    }
}

/// What an expression is for a device of a driver.
pub(super) fn evaluate(expression: &Expression, driver: &str, device: &Device) -> Result<Value, String> {
    Evaluation { driver, device }.value(expression)
}

struct Evaluation<'a> {
    driver: &'a str,
    device: &'a Device,
}

impl Evaluation<'_> {
    fn value(&self, expression: &Expression) -> Result<Value, String> {
        match expression {
            Expression::Int(number) => Ok(Value::Int(*number)),
            Expression::Text(text) => Ok(Value::Text(text.clone())),
            Expression::Bool(value) => Ok(Value::Bool(*value)),
            Expression::List(items) => {
                items.iter().map(|item| self.value(item)).collect::<Result<_, _>>().map(Value::List)
            }
            Expression::Name(name) if name == "device" => Ok(Value::Device),
            Expression::Name(name) => Err(format!("undeclared reference to {name:?}")),
            Expression::Field(of, name) => self.field(&self.value(of)?, name),
            Expression::Index(of, key) => match self.value(key)? {
                Value::Text(key) => self.field(&self.value(of)?, &key),
                other => Err(format!("{} is no key", other.kind())),
            },
            Expression::Call(target, name, arguments) => self.call(target.as_deref(), name, arguments),
            Expression::Not(inner) => self.bool(inner).map(|value| Value::Bool(!value)),
            Expression::Negate(inner) => match self.value(inner)? {
                Value::Int(number) => number.checked_neg().map(Value::Int).ok_or_else(overflow),
                other => Err(format!("{} has no negative", other.kind())),
            },
            Expression::Binary(Binary::And, left, right) => self.logical(left, right, false),
            Expression::Binary(Binary::Or, left, right) => self.logical(left, right, true),
            Expression::Binary(operator, left, right) => binary(*operator, self.value(left)?, self.value(right)?),
            Expression::Choice(condition, yes, no) => self.value(if self.bool(condition)? { yes } else { no }),
        }
    }

    fn bool(&self, expression: &Expression) -> Result<bool, String> {
        match self.value(expression)? {
            Value::Bool(value) => Ok(value),
            other => Err(format!("{} is no bool", other.kind())),
        }
    }

    /// Either side decides alone when it is `decisive`, even if the other fails.
    fn logical(&self, left: &Expression, right: &Expression, decisive: bool) -> Result<Value, String> {
        let left = self.bool(left);
        if left == Ok(decisive) {
            return Ok(Value::Bool(decisive));
        }
        let right = self.bool(right);
        if right == Ok(decisive) {
            return Ok(Value::Bool(decisive));
        }
        left.and(right).map(Value::Bool)
    }

    fn field(&self, of: &Value, name: &str) -> Result<Value, String> {
        match (of, name) {
            (Value::Device, "driver") => Ok(Value::Text(self.driver.to_owned())),
            (Value::Device, "attributes") => Ok(Value::Attributes),
            (Value::Device, "capacity") => Ok(Value::Capacities),
            // A domain that the device knows nothing of is an empty map.
            (Value::Attributes, domain) => Ok(Value::AttributesOf(domain.to_owned())),
            (Value::Capacities, domain) => Ok(Value::CapacitiesOf(domain.to_owned())),
            (Value::AttributesOf(domain), name) => match self.device.attributes.get(&format!("{domain}/{name}")) {
                Some(Attribute::Int(number)) => Ok(Value::Int(*number)),
                Some(Attribute::Bool(value)) => Ok(Value::Bool(*value)),
                Some(Attribute::Text(text)) => Ok(Value::Text(text.clone())),
                Some(Attribute::Version(version)) => semver(version),
                None => Err(format!("no such key: {name}")),
            },
            (Value::CapacitiesOf(domain), name) => {
                let amount = self.device.capacity.get(&format!("{domain}/{name}"));
                amount.copied().map(Value::Quantity).ok_or_else(|| format!("no such key: {name}"))
            }
            (other, name) => Err(format!("{} has no field {name:?}", other.kind())),
        }
    }

    fn call(&self, target: Option<&Expression>, name: &str, arguments: &[Expression]) -> Result<Value, String> {
        if let (None, "has", [field]) = (target, name, arguments) {
            return self.has(field);
        }
        let arguments: Vec<Value> = arguments.iter().map(|argument| self.value(argument)).collect::<Result<_, _>>()?;
        let target = target.map(|target| self.value(target)).transpose()?;
        match (target, name, arguments.as_slice()) {
            (None, "quantity", [Value::Text(text)]) => quantity(text),
            (None, "semver", [Value::Text(text)]) => semver(text),
            (None, "size", [value]) => size(value),
            (Some(value), "size", []) => size(&value),
            (Some(Value::Text(text)), "startsWith", [Value::Text(other)]) => {
                Ok(Value::Bool(text.starts_with(other.as_str())))
            }
            (Some(Value::Text(text)), "endsWith", [Value::Text(other)]) => {
                Ok(Value::Bool(text.ends_with(other.as_str())))
            }
            (Some(Value::Text(text)), "contains", [Value::Text(other)]) => {
                Ok(Value::Bool(text.contains(other.as_str())))
            }
            (Some(Value::Text(text)), "lowerAscii", []) => Ok(Value::Text(text.to_ascii_lowercase())),
            (Some(left), "compareTo", [right]) => order(&left, right).map(|ordering| Value::Int(ordering as i64)),
            (Some(left), "isGreaterThan", [right]) => order(&left, right).map(|ordering| Value::Bool(ordering.is_gt())),
            (Some(left), "isLessThan", [right]) => order(&left, right).map(|ordering| Value::Bool(ordering.is_lt())),
            _ => Err(format!("undeclared function {name:?}, or not with these arguments")),
        }
    }

    /// Whether a map has a key.
    fn has(&self, field: &Expression) -> Result<Value, String> {
        let Expression::Field(of, name) = field else { return Err("has() takes a field".to_owned()) };
        match self.value(of)? {
            Value::AttributesOf(domain) => {
                Ok(Value::Bool(self.device.attributes.contains_key(&format!("{domain}/{name}"))))
            }
            Value::CapacitiesOf(domain) => {
                Ok(Value::Bool(self.device.capacity.contains_key(&format!("{domain}/{name}"))))
            }
            other => Err(format!("has() does not know {}", other.kind())),
        }
    }
}

fn overflow() -> String {
    "integer overflow".to_owned()
}

fn binary(operator: Binary, left: Value, right: Value) -> Result<Value, String> {
    use Binary::{
        Add, Divide, Equal, Greater, GreaterOrEqual, In, Less, LessOrEqual, Multiply, NotEqual, Remainder, Subtract,
    };
    match (operator, left, right) {
        (Equal, left, right) => Ok(Value::Bool(left == right)),
        (NotEqual, left, right) => Ok(Value::Bool(left != right)),
        (Less, left, right) => order(&left, &right).map(|ordering| Value::Bool(ordering.is_lt())),
        (LessOrEqual, left, right) => order(&left, &right).map(|ordering| Value::Bool(ordering.is_le())),
        (Greater, left, right) => order(&left, &right).map(|ordering| Value::Bool(ordering.is_gt())),
        (GreaterOrEqual, left, right) => order(&left, &right).map(|ordering| Value::Bool(ordering.is_ge())),
        (In, value, Value::List(items)) => Ok(Value::Bool(items.contains(&value))),
        (Add, Value::Text(left), Value::Text(right)) => Ok(Value::Text(left + &right)),
        (operator, Value::Int(left), Value::Int(right)) => {
            let result = match operator {
                Add => left.checked_add(right),
                Subtract => left.checked_sub(right),
                Multiply => left.checked_mul(right),
                Divide | Remainder if right == 0 => return Err("division by zero".to_owned()),
                Divide => left.checked_div(right),
                Remainder => left.checked_rem(right),
                _ => return Err("no such operator between ints".to_owned()),
            };
            result.map(Value::Int).ok_or_else(overflow)
        }
        (_, left, right) => Err(format!("no such overload for {} and {}", left.kind(), right.kind())),
    }
}

fn order(left: &Value, right: &Value) -> Result<Ordering, String> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) | (Value::Quantity(left), Value::Quantity(right)) => Ok(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Ok(left.cmp(right)),
        (Value::Version(left), Value::Version(right)) => Ok(left.cmp(right)),
        _ => Err(format!("{} cannot be compared with {}", left.kind(), right.kind())),
    }
}

fn size(value: &Value) -> Result<Value, String> {
    let size = match value {
        Value::Text(text) => text.chars().count(),
        Value::List(items) => items.len(),
        other => return Err(format!("{} has no size", other.kind())),
    };
    i64::try_from(size).map(Value::Int).map_err(|_| overflow())
}

fn quantity(text: &str) -> Result<Value, String> {
    let parsed = text.parse::<kubekit_core::quantity::Quantity>();
    parsed.map(|quantity| Value::Quantity(quantity.value())).map_err(|_| format!("{text:?} is no quantity"))
}

/// Three numbers, then the parts of a pre-release; what was built is no part of the order.
fn semver(text: &str) -> Result<Value, String> {
    let wrong = || format!("{text:?} is no semantic version");
    let release = text.split('+').next().unwrap_or(text);
    let (numbers, pre_release) = release.split_once('-').map_or((release, None), |(n, p)| (n, Some(p)));
    let mut parts = numbers
        .split('.')
        .map(|number| number.parse().map(VersionPart::Number).map_err(|_| wrong()))
        .collect::<Result<Vec<_>, _>>()?;
    if parts.len() != 3 {
        return Err(wrong());
    }
    let part = |part: &str| part.parse().map_or_else(|_| VersionPart::Text(part.to_owned()), VersionPart::Number);
    match pre_release {
        Some(pre_release) => parts.extend(pre_release.split('.').map(part)),
        None => parts.push(VersionPart::Release),
    }
    Ok(Value::Version(parts))
}
