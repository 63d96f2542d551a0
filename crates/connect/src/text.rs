//! URL encoding, as forms have it.

/// The bytes of a form's value: `+` is a space, `%41` is `A`. Nothing if an escape is cut or not hexadecimal.
pub(crate) fn percent_decoded(value: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                let mut decoded = [0];
                hex::decode_to_slice(digits, &mut decoded).ok()?;
                out.extend(decoded);
                rest = after;
            }
            other => out.push(*other),
        }
    }
    Some(out)
}
