//! Where in a body the decoder is, and what it has found so far.

use crate::schema::{Shape, Type};
use std::cell::RefCell;

/// One step from a value to the value around it. A chain of these lives on the stack and costs nothing until a path
/// must be told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    /// The body itself.
    Root,
    /// A field of a struct.
    Field(&'static str, &'static Type),
    /// A key of a map.
    Key(&'a str),
    /// A place in a list.
    Index(usize),
}

/// The place of a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Step<'a>,
    pub(super) depth: usize,
}

impl<'a> Place<'a> {
    pub(super) const ROOT: Self = Place { parent: None, step: Step::Root, depth: 0 };

    pub(super) fn below(&'a self, step: Step<'a>) -> Self {
        Place { parent: Some(self), step, depth: self.depth + 1 }
    }

    /// The path for reports: `spec.containers[0].image`.
    fn path(&self, into: &mut String) {
        if let Some(parent) = self.parent {
            parent.path(into);
        }
        match self.step {
            Step::Root => {}
            Step::Field(name, _) => push(into, name),
            Step::Key(key) => push(into, key),
            Step::Index(index) => into.push_str(&format!("[{index}]")),
        }
    }

    /// The path of field names alone, as Go's decoder tells it: `spec.containers.image`.
    fn fields(&self, into: &mut String) {
        if let Some(parent) = self.parent {
            parent.fields(into);
        }
        if let Step::Field(name, _) = self.step {
            push(into, name);
        }
    }

    /// The struct that holds this value, directly or in a list or map.
    fn holder(&self) -> Option<&'static Type> {
        match (self.step, self.parent) {
            (Step::Field(_, of), _) => Some(of),
            (_, Some(parent)) => parent.holder(),
            (_, None) => None,
        }
    }
}

fn push(into: &mut String, name: &str) {
    if !into.is_empty() {
        into.push('.');
    }
    into.push_str(name);
}

/// What has been found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: RefCell<Vec<String>>,
    pub(super) failure: RefCell<Option<String>>,
}

/// Problems beyond these are not told: a body of 3 MiB can hold a million unknown fields.
const PROBLEMS_MAX: usize = 100;

impl Findings {
    /// An unknown or duplicate field: `what` says which of the two.
    pub(super) fn problem(&self, what: &str, place: &Place<'_>, name: &str) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() >= PROBLEMS_MAX {
            return;
        }
        let mut path = String::new();
        place.path(&mut path);
        push(&mut path, name);
        let problem = format!("{what} field {path:?}");
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// A value of a wrong type, in the words of Go's decoder; the first one counts.
    pub(super) fn wrong_type<E: serde::de::Error>(&self, place: &Place<'_>, found: &str, wanted: Shape) -> E {
        let wanted = wanted.go_name();
        let text = match place.holder() {
            Some(of) => {
                let mut path = String::new();
                place.fields(&mut path);
                format!(
                    "json: cannot unmarshal {found} into Go struct field {}.{path} of type {wanted}",
                    of.short_name()
                )
            }
            None => format!("json: cannot unmarshal {found} into Go value of type {wanted}"),
        };
        self.fail(text)
    }

    /// A value that its own type's decoder refuses.
    pub(super) fn fail<E: serde::de::Error>(&self, text: String) -> E {
        self.failure.borrow_mut().get_or_insert(text);
        E::custom("wrong type")
    }
}
