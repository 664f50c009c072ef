//! How large an expression may be, and what it may cost. Whoever may create a claim writes expressions, and the
//! interpreter neither counts its steps nor its memory, and recurses over what it is given: so the worst case is computed
//! before anything runs. Kubernetes bounds the same by estimating and counting a cost.

use kube_cel::cel::common::ast::operators::INDEX;
use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

/// The longest expression. Source: `CELSelectorExpressionMaxLength` of the API.
const BYTES_MAX: usize = 10 * 1024;
/// How deep an expression may be nested: the interpreter takes up to 21 KiB of stack a level (unoptimised), and threads
/// have 2 MiB. Chains of `&&` and `||` are balanced, and may be long.
const DEPTH_MAX: usize = 32;
/// How many steps an evaluation may take. Source: the per-call limit of Kubernetes' CEL, in units of about a step.
const STEPS_MAX: u64 = 1_000_000;
/// How large a value may become, in bytes and elements.
const SIZE_MAX: u64 = 1 << 20;
/// How much of a value a function walks over in a step.
const BYTES_A_STEP: u64 = 64;
/// What comes from the device: at most 32 attributes and capacities of 64 bytes, with their names.
const DEVICE: Weight = Weight { steps: 1, size: 8 << 10, count: 32 };

/// Whether an expression may be parsed.
pub(super) fn check_text(expression: &str) -> Result<(), String> {
    if expression.len() > BYTES_MAX {
        return Err(format!("longer than {BYTES_MAX} bytes"));
    }
    Ok(())
}

/// Whether an expression may be evaluated.
pub(super) fn check(expression: &IdedExpr) -> Result<(), String> {
    let Weight { steps, size, .. } = Estimate::default().weigh(expression, DEPTH_MAX)?;
    if steps > STEPS_MAX || size > SIZE_MAX {
        return Err(format!("may take more than {STEPS_MAX} steps or {SIZE_MAX} bytes"));
    }
    Ok(())
}

/// The worst that an expression can cost.
#[derive(Clone, Copy)]
struct Weight {
    steps: u64,
    /// Of its value, and of all values that it is made of.
    size: u64,
    /// How many elements its value has to go over.
    count: u64,
}

impl Weight {
    const NOTHING: Self = Self { steps: 0, size: 0, count: 0 };

    fn value(size: usize) -> Self {
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        Self { steps: 1, size, count: size }
    }

    fn and(self, other: Self) -> Self {
        Self {
            steps: self.steps.saturating_add(other.steps),
            size: self.size.saturating_add(other.size),
            count: self.count.saturating_add(other.count),
        }
    }
}

/// The variables of the macros around an expression, with the sizes of what they hold.
#[derive(Default)]
struct Estimate<'e> {
    variables: Vec<(&'e str, u64)>,
}

impl<'e> Estimate<'e> {
    fn weigh(&mut self, expression: &'e IdedExpr, depth: usize) -> Result<Weight, String> {
        let depth = depth.checked_sub(1).ok_or_else(|| format!("nested more than {DEPTH_MAX} deep"))?;
        Ok(match &expression.expr {
            Expr::Unspecified => Weight::NOTHING,
            Expr::Ident(name) => match self.variables.iter().rfind(|(variable, _)| variable == name) {
                Some((_, size)) => Weight { steps: 1, size: *size, count: *size },
                None => DEVICE,
            },
            Expr::Literal(LiteralValue::String(text)) => Weight::value(text.inner().len()),
            Expr::Literal(LiteralValue::Bytes(bytes)) => Weight::value(bytes.inner().len()),
            Expr::Literal(_) => Weight::value(8),
            Expr::List(list) => {
                let elements = self.all(&list.elements, depth)?;
                Weight { count: Weight::value(list.elements.len()).count, ..elements }
            }
            Expr::Map(map) => self.entries(map.entries.iter().map(|entry| &entry.expr), depth)?,
            Expr::Struct(fields) => self.entries(fields.entries.iter().map(|entry| &entry.expr), depth)?,
            Expr::Select(select) => self.weigh(&select.operand, depth)?.and(Weight { steps: 1, ..Weight::NOTHING }),
            Expr::Call(call) => self.call(call, depth)?,
            Expr::Comprehension(it) => self.repeated(it, depth)?,
        })
    }

    fn all(&mut self, parts: impl IntoIterator<Item = &'e IdedExpr>, depth: usize) -> Result<Weight, String> {
        parts.into_iter().try_fold(Weight::NOTHING, |sum, part| Ok(sum.and(self.weigh(part, depth)?)))
    }

    fn entries(&mut self, entries: impl Iterator<Item = &'e EntryExpr>, depth: usize) -> Result<Weight, String> {
        entries.into_iter().try_fold(Weight::NOTHING, |sum, entry| {
            let entry = match entry {
                EntryExpr::StructField(field) => self.weigh(&field.value, depth)?,
                EntryExpr::MapEntry(entry) => self.weigh(&entry.key, depth)?.and(self.weigh(&entry.value, depth)?),
            };
            Ok(sum.and(Weight { count: 1, ..entry }))
        })
    }

    /// A call walks over what it is given. What it makes is no larger, but where a text is put into another at many places.
    fn call(&mut self, call: &'e CallExpr, depth: usize) -> Result<Weight, String> {
        let target = call.target.as_ref().map_or(Ok(Weight::NOTHING), |target| self.weigh(target, depth))?;
        let given = target.and(self.all(&call.args, depth)?);
        let many = matches!(call.func_name.as_str(), "replace" | "join");
        let size = if many { given.size.saturating_mul(given.size) } else { given.size };
        let count = if call.func_name == INDEX { given.count } else { size };
        Ok(Weight { steps: given.steps.saturating_add(1 + size / BYTES_A_STEP), size, count })
    }

    /// A macro like `all` or `map`: what it repeats is repeated for every element of what it goes over.
    fn repeated(&mut self, it: &'e ComprehensionExpr, depth: usize) -> Result<Weight, String> {
        let range = self.weigh(&it.iter_range, depth)?;
        let before = self.variables.len();
        self.variables.push((&it.iter_var, range.size));
        self.variables.extend(it.iter_var2.as_deref().map(|variable| (variable, range.size)));
        // What has been gathered is counted with the repetitions.
        self.variables.push((&it.accu_var, 0));
        let each = self.all([&it.loop_cond, &it.loop_step], depth)?;
        let around = self.all([&it.accu_init, &it.result], depth)?;
        self.variables.truncate(before);
        let gathers = matches!(it.accu_init.expr, Expr::List(_) | Expr::Map(_));
        let size = if gathers { range.count.saturating_mul(each.size) } else { around.size };
        let repeated = range.count.saturating_mul(each.steps);
        let steps = range.steps.saturating_add(around.steps).saturating_add(repeated);
        Ok(Weight { steps, size: size.max(each.size).max(range.size), count: if gathers { range.count } else { 1 } })
    }
}
