//! The part of CEL that rules of test definitions need: `self`, fields, literals, `has()`, comparisons, `!`, `&&`, `||`
//! and parentheses. A rule that needs more is taken to hold.

use std::cmp::Ordering;

use serde_json::{Value, json};

/// Whether a rule holds of a value; `None` if it cannot be read.
pub(crate) fn holds(rule: &str, of: &Value) -> Option<bool> {
    let tokens = tokens(rule)?;
    let mut parser = Parser { tokens: &tokens, at: 0, of };
    let value = parser.or()?;
    (parser.at == tokens.len()).then_some(value.as_bool()?)
}

fn tokens(text: &str) -> Option<Vec<String>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let signs = ["||", "&&", ">=", "<=", "==", "!=", "!", "(", ")", ">", "<", "."];
        let length = if let Some(sign) = signs.iter().find(|sign| rest.starts_with(**sign)) {
            sign.len()
        } else if first == '\'' || first == '"' {
            rest.get(1..)?.find(first)? + 2
        } else {
            let end = rest.find(|one: char| !one.is_alphanumeric() && one != '_').unwrap_or(rest.len());
            (end > 0).then_some(end)?
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token.to_owned());
        rest = after.trim_start();
    }
    Some(tokens)
}

struct Parser<'a> {
    tokens: &'a [String],
    at: usize,
    of: &'a Value,
}

impl Parser<'_> {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map(String::as_str).unwrap_or_default()
    }

    fn take(&mut self, token: &str) -> Option<()> {
        (self.peek() == token).then(|| self.at += 1)
    }

    fn or(&mut self) -> Option<Value> {
        let mut left = self.and()?;
        while self.take("||").is_some() {
            let right = self.and()?;
            left = json!(left == true || right == true);
        }
        Some(left)
    }

    fn and(&mut self) -> Option<Value> {
        let mut left = self.compare()?;
        while self.take("&&").is_some() {
            let right = self.compare()?;
            left = json!(left == true && right == true);
        }
        Some(left)
    }

    fn compare(&mut self) -> Option<Value> {
        let left = self.unary()?;
        let sign = self.peek().to_owned();
        if !matches!(sign.as_str(), "==" | "!=" | ">=" | "<=" | ">" | "<") {
            return Some(left);
        }
        self.at += 1;
        let right = self.unary()?;
        let order = match (left.as_f64(), right.as_f64()) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ => left.as_str().zip(right.as_str()).map(|(left, right)| left.cmp(right)),
        };
        Some(json!(match sign.as_str() {
            "==" => left == right,
            "!=" => left != right,
            ">=" => order.is_some_and(Ordering::is_ge),
            "<=" => order.is_some_and(Ordering::is_le),
            ">" => order.is_some_and(Ordering::is_gt),
            _ => order.is_some_and(Ordering::is_lt),
        }))
    }

    fn unary(&mut self) -> Option<Value> {
        if self.take("!").is_some() {
            return Some(json!(self.unary()? != true));
        }
        if self.take("(").is_some() {
            let inner = self.or()?;
            self.take(")")?;
            return Some(inner);
        }
        if self.take("has").is_some() {
            self.take("(")?;
            let inner = self.unary()?;
            self.take(")")?;
            return Some(json!(!inner.is_null()));
        }
        let token = self.peek().to_owned();
        self.at += 1;
        if token == "self" {
            let mut value = self.of;
            while self.take(".").is_some() {
                value = value.get(self.peek()).unwrap_or(&Value::Null);
                self.at += 1;
            }
            return Some(value.clone());
        }
        if let Some(text) = token.strip_prefix(['\'', '"']) {
            return Some(json!(text.get(..text.len() - 1)?));
        }
        serde_json::from_str(&token).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let of = json!({ "min": 2, "replicas": 1, "mode": "a" });
        for (rule, expected) in [
            ("!has(self.min) || self.replicas >= self.min", Some(false)),
            ("!has(self.max) || self.replicas >= self.max", Some(true)),
            ("self.mode == 'a' && (self.min > 1)", Some(true)),
            ("self.list.all(x, x > 1)", None),
        ] {
            assert_eq!(holds(rule, &of), expected, "{rule}");
        }
    }
}
