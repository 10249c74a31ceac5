//! The little DER (ITU-T X.690) that keys are written in, read strictly: definite lengths in their shortest form, and
//! nothing after the end.

#[cfg(any(feature = "kms", feature = "private-key"))]
use crate::ssh::Curve;

/// `BIT STRING`
#[cfg(any(feature = "kms", feature = "private-key"))]
pub(super) const BIT_STRING: u8 = 0x03;
/// `INTEGER`
pub(super) const INTEGER: u8 = 0x02;
/// `NULL`
#[cfg(feature = "kms")]
pub(super) const NULL: u8 = 0x05;
/// `OCTET STRING`
#[cfg(feature = "private-key")]
pub(super) const OCTET_STRING: u8 = 0x04;
/// `OBJECT IDENTIFIER`
#[cfg(any(feature = "kms", feature = "private-key"))]
pub(super) const OID: u8 = 0x06;
/// `SEQUENCE`
pub(super) const SEQUENCE: u8 = 0x30;

/// The first value of a context, `[0]`, with values inside.
#[cfg(feature = "private-key")]
pub(super) const FIRST_CONTEXT_TAG: u8 = 0xa0;
/// The second value of a context, `[1]`, with values inside.
#[cfg(feature = "private-key")]
pub(super) const SECOND_CONTEXT_TAG: u8 = 0xa1;

/// Bytes that are not the DER that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DerError;

/// Takes DER values off the front of a slice.
pub(super) struct DerReader<'a>(&'a [u8]);

impl<'a> DerReader<'a> {
    /// Reads from the start of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The content of the next value, which has this `tag`.
    pub(super) fn value(&mut self, tag: u8) -> Result<&'a [u8], DerError> {
        let rest = self.0.strip_prefix(&[tag]).ok_or(DerError)?;
        let (len, rest) = match rest {
            [len @ 0..=0x7f, rest @ ..] => (usize::from(*len), rest),
            [0x81, len @ 0x80..=0xff, rest @ ..] => (usize::from(*len), rest),
            [0x82, high @ 1..=0xff, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
            _ => return Err(DerError),
        };
        let (content, rest) = rest.split_at_checked(len).ok_or(DerError)?;
        self.0 = rest;
        Ok(content)
    }

    /// The values inside the next value, which has this `tag`.
    pub(super) fn inside(&mut self, tag: u8) -> Result<Self, DerError> {
        self.value(tag).map(Self)
    }

    /// A positive `INTEGER` in its shortest form: its magnitude without a leading zero byte.
    pub(super) fn positive_integer(&mut self) -> Result<&'a [u8], DerError> {
        match self.value(INTEGER)? {
            [] | [0] | [0, 0..=0x7f, ..] | [0x80..=0xff, ..] => Err(DerError),
            [0, magnitude @ ..] | magnitude => Ok(magnitude),
        }
    }

    /// Ends the reading.
    pub(super) fn finish(self) -> Result<(), DerError> {
        if self.0.is_empty() { Ok(()) } else { Err(DerError) }
    }
}

/// The exponent and the modulus of an `RSAPublicKey` (RFC 8017 A.1.1).
pub(super) fn rsa_public_key(der: &[u8]) -> Result<(&[u8], &[u8]), DerError> {
    let mut reader = DerReader::new(der);
    let mut fields = reader.inside(SEQUENCE)?;
    reader.finish()?;
    let modulus = fields.positive_integer()?;
    let exponent = fields.positive_integer()?;
    fields.finish()?;
    Ok((exponent, modulus))
}

/// secp256r1, secp384r1 and secp521r1 (RFC 5480 §2.1.1.1).
#[cfg(any(feature = "kms", feature = "private-key"))]
const CURVES: [(Curve, &[u8]); 3] = [
    (Curve::P256, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]),
    (Curve::P384, &[0x2b, 0x81, 4, 0, 0x22]),
    (Curve::P521, &[0x2b, 0x81, 4, 0, 0x23]),
];

/// The curve with this object identifier.
#[cfg(any(feature = "kms", feature = "private-key"))]
pub(super) fn curve(oid: &[u8]) -> Result<Curve, DerError> {
    let found = CURVES.into_iter().find(|(_, of_curve)| *of_curve == oid);
    found.map(|(curve, _)| curve).ok_or(DerError)
}

/// The object identifier of `curve`.
#[cfg(feature = "private-key")]
pub(super) fn curve_oid(curve: Curve) -> &'static [u8] {
    let found = CURVES.into_iter().find(|(of_oid, _)| *of_oid == curve);
    found.map(|(_, oid)| oid).expect("every curve has one")
}

/// Appends a value with this `tag`.
///
/// # Panics
/// Where `content` has 256 bytes or more, as no elliptic-curve key of ours has.
#[cfg(feature = "private-key")]
pub(super) fn write_value(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    match u8::try_from(content.len()).expect("the content is short") {
        len @ 0..=0x7f => out.push(len),
        len => out.extend([0x81, len]),
    }
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_that_are_not_shortest_or_not_there_are_refused() {
        let long = [&[0x30, 0x82, 1, 0][..], &[7; 256]].concat();
        assert_eq!(DerReader::new(&long).value(SEQUENCE), Ok(&[7; 256][..]));
        let medium = [&[0x30, 0x81, 0x80][..], &[7; 128]].concat();
        assert_eq!(DerReader::new(&medium).value(SEQUENCE), Ok(&[7; 128][..]));
        let bad: [&[u8]; 8] = [
            &[],
            &[0x30],
            &[0x31, 0],                         // another tag
            &[0x30, 0x80, 0, 0],                // indefinite
            &[0x30, 2, 1],                      // truncated
            &[0x30, 0x81, 1, 0],                // one byte too many for the length
            &[0x30, 0x82, 0, 1, 0],             // two bytes too many
            &[0x30, 0x83, 0, 0, 1, 0, 0, 0, 0], // three
        ];
        for der in bad {
            assert_eq!(DerReader::new(der).value(SEQUENCE), Err(DerError), "{der:02x?}");
        }
    }

    #[test]
    fn integers_that_are_not_positive_and_shortest_are_refused() {
        for (der, magnitude) in [
            (&[2, 1, 5][..], Ok(&[5][..])),
            (&[2, 2, 0, 0x80], Ok(&[0x80][..])),
        ] {
            assert_eq!(DerReader::new(der).positive_integer(), magnitude);
        }
        for der in [&[2, 0][..], &[2, 1, 0], &[2, 1, 0x80], &[2, 2, 0, 5]] {
            assert_eq!(
                DerReader::new(der).positive_integer(),
                Err(DerError),
                "{der:02x?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
            let _ = rsa_public_key(&bytes);
            let _ = DerReader::new(&bytes).positive_integer();
        }
    }
}
