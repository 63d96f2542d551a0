//! JSON numbers compared by their exact decimal value.
//!
//! A number becomes a key whose bytes order as the values do: 300, 300.0 and 3e2 have one key, and two account numbers
//! of twenty digits that differ in the last one have two. No number passes through binary floating point.

/// Tags that keep negative numbers, zero and positive numbers apart and in order.
const NEGATIVE: u8 = 0;
const ZERO: u8 = 1;
const POSITIVE: u8 = 2;

/// Writes the key of a JSON number's text to `out`; false, with `out` empty, if the text is not a number.
pub(crate) fn key(text: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let (negative, rest) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    // Room for the tag and the exponent, which are known at the end.
    out.extend_from_slice(&[0; 9]);
    let mut exponent: i64 = 0; // of 0.d1d2d3… × 10^exponent
    let mut seen_digit = false;
    let mut fraction = false;
    let mut bytes = rest.iter();
    let mut scientific = false;
    for &byte in bytes.by_ref() {
        match byte {
            b'0'..=b'9' => {
                seen_digit = true;
                let significant = out.len() > 9 || byte != b'0';
                if significant {
                    out.push(byte);
                }
                if fraction {
                    exponent -= i64::from(!significant);
                } else {
                    exponent += i64::from(significant);
                }
            }
            b'.' if !fraction => fraction = true,
            b'e' | b'E' => {
                scientific = true;
                break;
            }
            _ => return fail(out),
        }
    }
    if !seen_digit {
        return fail(out);
    }
    if scientific {
        match power(bytes.as_slice()) {
            Some(power) => exponent = exponent.saturating_add(power),
            None => return fail(out),
        }
    }
    while out.len() > 9 && out.last() == Some(&b'0') {
        out.pop();
    }
    if out.len() == 9 {
        out.clear();
        out.push(ZERO);
        return true;
    }
    let biased = exponent.cast_unsigned() ^ (1 << 63);
    if let Some((tag, power)) = out.get_mut(..9).and_then(<[u8]>::split_first_mut) {
        *tag = POSITIVE;
        power.copy_from_slice(&biased.to_be_bytes());
    }
    if negative {
        for byte in out.iter_mut() {
            *byte = !*byte;
        }
        // The longer of two that begin alike is the more negative one.
        out.push(u8::MAX);
        if let Some(tag) = out.first_mut() {
            *tag = NEGATIVE;
        }
    }
    true
}

fn fail(out: &mut Vec<u8>) -> bool {
    out.clear();
    false
}

/// The exponent behind `e`; one past any i64 saturates, so that it stays comparable.
fn power(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut power: i64 = 0;
    for byte in digits {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        power = power.saturating_mul(10).saturating_add(i64::from(digit));
    }
    // Half the range: adding the places of the digits then cannot saturate and mix up two numbers.
    let power = power.min(i64::MAX / 2);
    Some(if negative { -power } else { power })
}
