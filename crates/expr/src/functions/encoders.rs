//! Base64.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_PAD_INDIFFERENT};

use super::{Cx, Fault, Function, plain};
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[plain("base64.encode", (1, 1), encode), plain("base64.decode", (1, 1), decode)];

/// Of bytes, or of a text's UTF-8.
fn encode(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    match args {
        [Value::Bytes(bytes)] => cx.text(STANDARD.encode(bytes)),
        [Value::String(text)] => cx.text(STANDARD.encode(text.as_bytes())),
        _ => Err(Fault::Types),
    }
}

/// With padding or without it.
fn decode(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let [Value::String(text)] = args else { return Err(Fault::Types) };
    cx.budget.make(text.len())?;
    STANDARD_PAD_INDIFFERENT
        .decode(text.as_bytes())
        .map(|bytes| Value::Bytes(bytes.into()))
        .map_err(|error| Fault::Value(format!("this is not base64: {error}")))
}
