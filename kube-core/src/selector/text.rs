//! The text form of label selectors.
//!
//! Source of the grammar and the error texts: `k8s.io/apimachinery/pkg/labels/selector.go`.

use super::{Operator, ParseError, Requirement};
use crate::field::{self, Path};
use crate::meta::syntax;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Sign(&'a str),
    End,
}

impl<'a> Token<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Word(text) | Self::Sign(text) => text,
            Self::End => "",
        }
    }
}

/// Splits the text into words and signs; the last token is always the end.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let is_sign = |c: char| "!=<>(),".contains(c);
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if is_sign(first) {
            if ["==", "!="].iter().any(|sign| rest.starts_with(sign)) { 2 } else { 1 }
        } else {
            rest.find(|c: char| is_sign(c) || c.is_whitespace()).unwrap_or(rest.len())
        };
        let (token, after) = rest.split_at(length);
        tokens.push(if is_sign(first) { Token::Sign(token) } else { Token::Word(token) });
        rest = after.trim_start();
    }
    tokens.push(Token::End);
    tokens
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
}

/// Parses a whole selector.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, ParseError> {
    let mut parser = Parser { tokens: tokens(text), at: 0 };
    parser.requirements().map_err(|ParseError(what)| ParseError(format!("unable to parse requirement: {what}")))
}

fn found(token: Token<'_>, expected: &str) -> ParseError {
    ParseError(format!("found '{}', expected: {expected}", token.text()))
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.tokens.get(self.at).copied().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn requirements(&mut self) -> Result<Vec<Requirement>, ParseError> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                Token::Word(_) | Token::Sign("!") => requirements.push(self.requirement()?),
                Token::End => return Ok(requirements),
                other => return Err(found(other, "!, identifier, or 'end of string'")),
            }
            match self.next() {
                Token::End => return Ok(requirements),
                Token::Sign(",") => {
                    if !matches!(self.peek(), Token::Word(_) | Token::Sign("!")) {
                        return Err(found(self.peek(), "identifier after ','"));
                    }
                }
                other => return Err(found(other, "',' or 'end of string'")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, ParseError> {
        let absent = self.peek() == Token::Sign("!");
        if absent {
            self.next();
        }
        let Token::Word(key) = self.peek() else { return Err(found(self.peek(), "identifier")) };
        self.next();
        check("key", key, syntax::qualified_name(key))?;
        if matches!(self.peek(), Token::End | Token::Sign(",")) {
            let operator = if absent { Operator::DoesNotExist } else { Operator::Exists };
            return Ok(Requirement::new(key, operator, Vec::new()));
        }
        if absent {
            return Err(found(self.peek(), "',' or 'end of string'"));
        }
        let (operator, values) = match self.next() {
            Token::Sign("=" | "==") => (Operator::In, vec![self.value()?]),
            Token::Sign("!=") => (Operator::NotIn, vec![self.value()?]),
            Token::Sign(">") => (Operator::GreaterThan, vec![self.integer()?]),
            Token::Sign("<") => (Operator::LessThan, vec![self.integer()?]),
            Token::Word("in") => (Operator::In, self.values()?),
            Token::Word("notin") => (Operator::NotIn, self.values()?),
            other => return Err(found(other, "in, notin, =, ==, !=, gt, lt")),
        };
        for (i, value) in values.iter().enumerate() {
            check(&format!("values[{i}][{key}]"), value, syntax::label_value(value))?;
        }
        Ok(Requirement::new(key, operator, values))
    }

    /// One value after `=`; none stands for the empty value.
    fn value(&mut self) -> Result<String, ParseError> {
        match self.peek() {
            Token::End | Token::Sign(",") => Ok(String::new()),
            Token::Word(value) => {
                self.next();
                Ok(value.to_owned())
            }
            other => Err(found(other, "identifier")),
        }
    }

    fn integer(&mut self) -> Result<String, ParseError> {
        let value = self.value()?;
        if value.parse::<i64>().is_ok() {
            return Ok(value);
        }
        let detail = "for 'Gt', 'Lt' operators, the value must be an integer";
        Err(ParseError(field::Error::invalid(&Path::new("values").index(0), &value.into(), detail).to_string()))
    }

    /// A list of values in parentheses; an empty place stands for the empty value.
    fn values(&mut self) -> Result<Vec<String>, ParseError> {
        match self.next() {
            Token::Sign("(") => {}
            other => return Err(ParseError(format!("found '{}' expected: '('", other.text()))),
        }
        let mut values = Vec::new();
        loop {
            let value = match self.peek() {
                Token::Word(value) => {
                    self.next();
                    value
                }
                Token::Sign("," | ")") => "",
                other => return Err(found(other, "',', ')' or identifier")),
            };
            values.push(value.to_owned());
            match self.next() {
                Token::Sign(")") => return Ok(values),
                Token::Sign(",") => {}
                other => return Err(found(other, "',' or ')'")),
            }
        }
    }
}

fn check(path: &str, value: &str, messages: Vec<String>) -> Result<(), ParseError> {
    match messages.as_slice() {
        [] => Ok(()),
        some => Err(ParseError(field::Error::invalid(&Path::new(path), &value.into(), &some.join("; ")).to_string())),
    }
}
