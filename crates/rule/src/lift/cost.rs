//! What a conjunct can spend of the budget at most, as far as that can be said without the event.

use ensue_expr::{Binary, Budget, Expr, Node, Root, Unary, Value};

use crate::view::LARGE;

/// The longest text that an event of data that is not large can have: base64 makes it longer, escapes shorter.
const TEXT: u64 = 2 * LARGE as u64;
/// Steps that are added for each node, for what is read besides texts: keys, sources, literals.
const NODE: u64 = 40;
/// The most items that a list of such an event can have: `1,1,1`.
const ITEMS: u64 = LARGE as u64 / 2;

/// Steps that a condition can take so far.
#[derive(Clone, Copy, Default)]
pub(super) struct Cost {
    steps: u64,
    /// The steps depend on how long texts and lists are, so that they hold only for events that are not large.
    pub(super) reads: bool,
}

impl Cost {
    const NODE: Cost = Cost { steps: NODE, reads: false };

    /// Both together; nothing if that may be more than the budget has.
    pub(super) fn and(self, other: Cost) -> Option<Cost> {
        let steps = self.steps + other.steps;
        (steps < Budget::STEPS).then_some(Cost { steps, reads: self.reads || other.reads })
    }
}

/// The most that an expression can spend; nothing if that depends on the event's lists, or is not known.
pub(super) fn cost(expr: &Expr) -> Option<Cost> {
    let mut cost = Cost::NODE;
    match &expr.node {
        Node::Literal(_) => cost = Cost { steps: 3, reads: false },
        Node::Path(Root::Name(..), segments) => cost.steps += segments.len() as u64 / 8,
        Node::Host(_) => {}
        Node::Unary(Unary::Not, _)
        | Node::And(_)
        | Node::Or(_)
        | Node::If(..)
        | Node::Has(_)
        | Node::OrValue(..)
        | Node::List(_) => {}
        Node::Binary(Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual, ..) => {
            // Two texts of the event are read as far as they are long.
            cost = cost.and(reading(TEXT / 1024))?;
        }
        // Two lists of the event may be long; a scalar is compared with anything at once.
        Node::Binary(Binary::Equal | Binary::NotEqual, a, b) if is_scalar(a) || is_scalar(b) => {}
        Node::Binary(Binary::In, item, list) => match &list.node {
            Node::Path(..) if is_scalar(item) => cost = cost.and(reading(ITEMS))?,
            Node::List(items) if items.iter().all(|item| is_scalar(&item.value)) => {}
            _ => return None,
        },
        Node::Call(call) => match (call.function.name, call.args.as_slice()) {
            ("startsWith" | "endsWith" | "contains", [_, part]) if is_scalar(part) => {
                cost = cost.and(reading(TEXT / 64 + TEXT / 256))?;
            }
            ("size", [_]) => cost = cost.and(reading(TEXT / 64 + TEXT / 256))?,
            _ => return None,
        },
        _ => return None,
    }
    expr.children().into_iter().try_fold(cost, |sum, child| sum.and(self::cost(child)?))
}

fn reading(steps: u64) -> Cost {
    Cost { steps, reads: true }
}

/// A constant without parts.
fn is_scalar(expr: &Expr) -> bool {
    match &expr.node {
        Node::Literal(value) => !matches!(value, Value::List(_) | Value::Map(_)),
        Node::Unary(Unary::Negate, operand) => matches!(operand.node, Node::Literal(_)),
        _ => false,
    }
}
