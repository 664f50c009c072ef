//! What an update changed in a spec, and a text that shows it.

use serde_json::{Map, Value};

/// Fields whose zero value is the same as their absence.
const ZERO_IS_ABSENT: [&str; 8] =
    ["hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly", "hostPort"];

/// A value without what is the same as its absence: empty lists, maps and strings, and some zeros.
pub(super) fn normalized(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept: Map<String, Value> = map
                .iter()
                .map(|(key, value)| (key.clone(), normalized(value)))
                .filter(|(key, value)| !is_absent(key, value))
                .collect();
            Value::Object(kept)
        }
        Value::Array(list) => list.iter().map(normalized).collect(),
        other => other.clone(),
    }
}

fn is_absent(key: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty() && key != "emptyDir",
        Value::String(text) => text.is_empty(),
        Value::Bool(false) => ZERO_IS_ABSENT.contains(&key),
        Value::Number(number) => number.as_i64() == Some(0) && ZERO_IS_ABSENT.contains(&key),
        Value::Bool(true) => false,
    }
}

/// The differences, one line each, `-` before and `+` after.
pub(super) fn text_of(old: &Value, new: &Value) -> String {
    let mut lines = Vec::new();
    collect(&mut lines, "", old, new);
    format!("  {{\n{}\n  }}\n", lines.join("\n"))
}

fn collect(lines: &mut Vec<String>, path: &str, old: &Value, new: &Value) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(lines, &path, before.get(key).unwrap_or(&Value::Null), after.get(key).unwrap_or(&Value::Null));
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                collect(lines, &format!("{path}[{index}]"), before, after);
            }
        }
        _ => {
            if !old.is_null() {
                lines.push(format!("- \t{path}: {old},"));
            }
            if !new.is_null() {
                lines.push(format!("+ \t{path}: {new},"));
            }
        }
    }
}
