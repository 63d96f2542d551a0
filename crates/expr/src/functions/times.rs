//! Parts of times and durations. Months and days count from zero where CEL's getters do: only `getDate` is 1 to 31.

use super::{Fault, Function, method};
use crate::time::{self, Civil};
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    method("getFullYear", (1, 2), |_, args| part(args, |at| at.year)),
    method("getMonth", (1, 2), |_, args| part(args, |at| at.month - 1)),
    method("getDate", (1, 2), |_, args| part(args, |at| at.day)),
    method("getDayOfMonth", (1, 2), |_, args| part(args, |at| at.day - 1)),
    method("getDayOfWeek", (1, 2), |_, args| part(args, |at| at.day_of_week)),
    method("getDayOfYear", (1, 2), |_, args| part(args, |at| at.day_of_year)),
    method("getHours", (1, 2), |_, args| match args {
        [Value::Duration(micros)] => Ok(Value::Int(micros / 3_600_000_000)),
        _ => part(args, |at| at.clock / 3_600_000_000),
    }),
    method("getMinutes", (1, 2), |_, args| match args {
        [Value::Duration(micros)] => Ok(Value::Int(micros / 60_000_000)),
        _ => part(args, |at| at.clock / 60_000_000 % 60),
    }),
    method("getSeconds", (1, 2), |_, args| match args {
        [Value::Duration(micros)] => Ok(Value::Int(micros / 1_000_000)),
        _ => part(args, |at| at.clock / 1_000_000 % 60),
    }),
    method("getMilliseconds", (1, 2), |_, args| match args {
        // Hours, minutes, seconds of a duration are totals; its milliseconds are the part below a second.
        [Value::Duration(micros)] => Ok(Value::Int(micros / 1_000 % 1_000)),
        _ => part(args, |at| at.clock / 1_000 % 1_000),
    }),
];

fn part(args: &[Value], of: fn(Civil) -> i64) -> Result<Value, Fault> {
    let (micros, zone) = match args {
        [Value::Timestamp(micros)] => (micros, None),
        [Value::Timestamp(micros), Value::String(zone)] => (micros, Some(&**zone)),
        _ => return Err(Fault::Types),
    };
    time::civil(*micros, zone).map(|at| Value::Int(of(at))).map_err(Fault::Value)
}
