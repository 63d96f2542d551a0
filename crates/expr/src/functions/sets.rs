//! Lists as sets.

use super::{Cx, Fault, Function, plain};
use crate::eval::equal;
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    plain("sets.contains", (2, 2), |cx, args| {
        let (a, b) = pair(args)?;
        Ok(Value::Bool(subset(cx, b, a)?))
    }),
    plain("sets.equivalent", (2, 2), |cx, args| {
        let (a, b) = pair(args)?;
        Ok(Value::Bool(subset(cx, a, b)? && subset(cx, b, a)?))
    }),
    plain("sets.intersects", (2, 2), |cx, args| {
        let (a, b) = pair(args)?;
        for item in a {
            if contains(cx, b, item)? {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }),
];

fn pair(args: &[Value]) -> Result<(&[Value], &[Value]), Fault> {
    match args {
        [Value::List(a), Value::List(b)] => Ok((a, b)),
        _ => Err(Fault::Types),
    }
}

fn contains(cx: &mut Cx<'_>, items: &[Value], wanted: &Value) -> Result<bool, Fault> {
    for item in items {
        cx.budget.step(1)?;
        if equal(cx.budget, item, wanted)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn subset(cx: &mut Cx<'_>, small: &[Value], large: &[Value]) -> Result<bool, Fault> {
    for item in small {
        if !contains(cx, large, item)? {
            return Ok(false);
        }
    }
    Ok(true)
}
