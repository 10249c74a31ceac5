//! Percent-encoding: paths, queries and forms.

/// Decodes `%XX`, and `+` where it stands for a blank. `None` where it is malformed or not UTF-8.
fn decode(text: &[u8], plus_is_blank: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(*rest.next()?)? << 4 | hex(*rest.next()?)?,
            b'+' if plus_is_blank => b' ',
            _ => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

/// A path, decoded once.
pub(crate) fn path(text: &str) -> Option<String> {
    decode(text.as_bytes(), false)
}

/// One name of a form and its values.
pub(crate) type Pair = (String, Vec<String>);

/// The names of a query or form with their values, in the order of their first appearance.
pub(crate) fn form(text: &[u8]) -> Option<Vec<Pair>> {
    let mut pairs: Vec<Pair> = Vec::new();
    for part in text.split(|byte| *byte == b'&').filter(|part| !part.is_empty()) {
        let split = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
        let name = decode(&part[..split], true)?;
        let value = decode(part.get(split + 1..).unwrap_or_default(), true)?;
        match pairs.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => pairs.push((name, vec![value])),
        }
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let pairs = form(b"a=42&b=x+y%26&a=43&&empty&=x").unwrap();
        let expected: [(&str, &[&str]); 4] = [
            ("a", &["42", "43"]),
            ("b", &["x y&"]),
            ("empty", &[""]),
            ("", &["x"]),
        ];
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, values)| (name.as_str(), values.clone()))
            .collect();
        assert_eq!(
            pairs,
            expected.map(|(name, values)| (name, values.iter().map(|v| (*v).to_owned()).collect()))
        );
    }

    #[test]
    fn malformed_encodings_are_refused() {
        for bad in ["%", "%4", "%zz", "%ff", "%+1"] {
            assert_eq!(path(bad), None, "{bad}");
            assert_eq!(form(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(path("a%2Fb+c").as_deref(), Some("a/b+c"));
    }
}
