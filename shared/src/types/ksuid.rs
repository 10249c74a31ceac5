use std::fmt;

/// Seconds since the Unix epoch at which KSUID time begins.
const EPOCH: u64 = 1_400_000_000;
/// The digits, in the order of their values, which is also their byte order.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How many digits 20 bytes take.
const LEN: usize = 27;

/// A K-sortable unique id: 4 bytes of seconds since 2014-05-13, then 16 bytes of payload; in text, 27 base-62 digits
/// whose byte order is the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ksuid([u8; 20]);

/// The text is not 27 base-62 digits of a 20-byte number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KsuidError;

impl fmt::Display for KsuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is not a 27-character id")
    }
}

impl std::error::Error for KsuidError {}

impl Ksuid {
    /// The id of `payload` at `now` (Unix seconds). Times that four bytes cannot hold become the nearest that they can.
    pub fn new(now: u64, payload: [u8; 16]) -> Self {
        let secs = u32::try_from(now.saturating_sub(EPOCH)).unwrap_or(u32::MAX);
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&secs.to_be_bytes());
        bytes[4..].copy_from_slice(&payload);
        Self(bytes)
    }

    /// Reads the 27 digits.
    ///
    /// # Errors
    /// [`KsuidError`].
    pub fn parse(text: &str) -> Result<Self, KsuidError> {
        if text.len() != LEN {
            return Err(KsuidError);
        }
        let mut bytes = [0u8; 20];
        for digit in text.bytes() {
            let value = DIGITS.binary_search(&digit).map_err(|_| KsuidError)?;
            let mut carry = value;
            for byte in bytes.iter_mut().rev() {
                carry += usize::from(*byte) * 62;
                *byte = (carry & 0xff) as u8;
                carry >>= 8;
            }
            if carry != 0 {
                return Err(KsuidError);
            }
        }
        Ok(Self(bytes))
    }

    /// When it was made, in Unix seconds.
    pub fn unix_secs(self) -> u64 {
        let [a, b, c, d, ..] = self.0;
        EPOCH + u64::from(u32::from_be_bytes([a, b, c, d]))
    }

    /// The 16 bytes after the time.
    pub fn payload(self) -> [u8; 16] {
        let mut payload = [0; 16];
        payload.copy_from_slice(&self.0[4..]);
        payload
    }
}

impl fmt::Display for Ksuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.0;
        let mut digits = [b'0'; LEN];
        for digit in digits.iter_mut().rev() {
            let mut remainder = 0usize;
            for byte in &mut bytes {
                let value = remainder * 256 + usize::from(*byte);
                *byte = (value / 62) as u8;
                remainder = value % 62;
            }
            *digit = DIGITS[remainder];
        }
        f.write_str(std::str::from_utf8(&digits).expect("the digits are ASCII"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_published_samples_decode_to_their_time_and_payload() {
        let id = Ksuid::parse("2rwwl2T6kKDNklNsSXGf3D53Kpj").unwrap();
        assert_eq!(id.unix_secs(), 1_737_483_592);
        assert_eq!(id.to_string(), "2rwwl2T6kKDNklNsSXGf3D53Kpj");
        let id = Ksuid::parse("0ujtsYcgvSTl8PAuAdqWYSMnLOv").unwrap();
        assert_eq!(id.unix_secs(), EPOCH + 107_608_047);
        assert_eq!(
            u128::from_be_bytes(id.payload()),
            0xb5a1_cd34_b5f9_9d11_54fb_6853_345c_9735
        );
        assert_eq!(
            Ksuid::new(u64::MAX, [0xff; 16]).to_string(),
            "aWgEPTl1tmebfsQzFP4bxwgy80V"
        );
        assert_eq!(Ksuid::new(0, [0; 16]).to_string(), "0".repeat(27));
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            "",
            "2rwwl2T6kKDNklNsSXGf3D53Kp",
            "aWgEPTl1tmebfsQzFP4bxwgy80W",
            "2rwwl2T6kKDNklNsSXGf3D53Kp-",
        ] {
            assert_eq!(Ksuid::parse(bad), Err(KsuidError), "{bad}");
        }
        assert_eq!(KsuidError.to_string(), "this is not a 27-character id");
    }

    proptest! {
        #[test]
        fn ids_survive_the_round_trip_and_sort_as_their_text(
            a in (EPOCH..EPOCH + u64::from(u32::MAX), any::<[u8; 16]>()),
            b in (EPOCH..EPOCH + u64::from(u32::MAX), any::<[u8; 16]>()),
        ) {
            let (a, b) = (Ksuid::new(a.0, a.1), Ksuid::new(b.0, b.1));
            prop_assert_eq!(Ksuid::parse(&a.to_string()), Ok(a));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*", digits in "[0-9A-Za-z]{27}") {
            let _ = (Ksuid::parse(&text), Ksuid::parse(&digits));
        }
    }
}
