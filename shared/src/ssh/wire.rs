//! The wire types of RFC 4251 §5.

use std::fmt;

/// Why bytes are not what the format says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// An `mpint` that is negative or not in its shortest form.
    BadInteger,
    /// A text field that is not UTF-8.
    NotUtf8,
    /// Bytes after the end.
    TrailingBytes,
    /// The end came too early.
    Truncated,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadInteger => "an integer is not positive or not in its shortest form",
            Self::NotUtf8 => "a text field is not UTF-8",
            Self::TrailingBytes => "there are bytes after the end",
            Self::Truncated => "the end comes too early",
        })
    }
}

impl std::error::Error for WireError {}

/// Takes wire types off the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(WireError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A big-endian `uint32`.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn u32(&mut self) -> Result<u32, WireError> {
        let bytes = self.take(4)?.try_into().map_err(|_| WireError::Truncated)?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// A big-endian `uint64`.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn u64(&mut self) -> Result<u64, WireError> {
        let bytes = self.take(8)?.try_into().map_err(|_| WireError::Truncated)?;
        Ok(u64::from_be_bytes(bytes))
    }

    /// A `string`: its bytes without the length.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn string(&mut self) -> Result<&'a [u8], WireError> {
        let len = self.u32()?;
        self.take(usize::try_from(len).map_err(|_| WireError::Truncated)?)
    }

    /// A `string` that holds UTF-8 text.
    ///
    /// # Errors
    /// `Truncated` or `NotUtf8`.
    pub fn text(&mut self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.string()?).map_err(|_| WireError::NotUtf8)
    }

    /// A positive `mpint` in its shortest form: its magnitude without a leading zero byte.
    ///
    /// # Errors
    /// `Truncated` or `BadInteger`.
    pub(crate) fn positive_mpint(&mut self) -> Result<&'a [u8], WireError> {
        match self.string()? {
            [] => Err(WireError::BadInteger),
            [0] | [0, 0..=0x7f, ..] => Err(WireError::BadInteger),
            [0, magnitude @ ..] => Ok(magnitude),
            [0x80..=0xff, ..] => Err(WireError::BadInteger),
            magnitude => Ok(magnitude),
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// `TrailingBytes` where something is left.
    pub fn finish(self) -> Result<(), WireError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(WireError::TrailingBytes)
        }
    }
}

/// Appends wire types to a buffer.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty buffer with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Appends a `uint32`.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// Appends a `uint64`.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// Appends a `string`.
    ///
    /// # Panics
    /// Where `bytes` are longer than 4 GiB; every caller's input is limited far below.
    pub fn string(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.u32(u32::try_from(bytes.len()).expect("no field of ours reaches 4 GiB"))
            .raw(bytes)
    }

    /// Appends the `mpint` of an unsigned big-endian `magnitude`; leading zero bytes are dropped.
    pub fn mpint(&mut self, magnitude: &[u8]) -> &mut Self {
        let first = magnitude
            .iter()
            .position(|byte| *byte != 0)
            .unwrap_or(magnitude.len());
        let magnitude = &magnitude[first..];
        let sign = if magnitude.first().is_some_and(|byte| *byte >= 0x80) {
            &[0][..]
        } else {
            &[]
        };
        let len = sign.len() + magnitude.len();
        self.u32(u32::try_from(len).expect("no integer of ours reaches 4 GiB"))
            .raw(sign)
            .raw(magnitude)
    }

    /// Appends a `string` whose content `fill` writes.
    pub fn nested(&mut self, fill: impl FnOnce(&mut Writer)) -> &mut Self {
        let mut inner = Writer::default();
        fill(&mut inner);
        self.string(inner.0)
    }

    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mpint(magnitude: &[u8]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.mpint(magnitude);
        writer.into_bytes()
    }

    /// The examples of RFC 4251 §5 that a certificate can hold.
    #[test]
    fn mpints_are_as_in_rfc_4251() {
        assert_eq!(mpint(&[]), [0, 0, 0, 0]);
        assert_eq!(mpint(&[0, 0]), [0, 0, 0, 0]);
        assert_eq!(
            mpint(&[0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7]),
            [0, 0, 0, 8, 0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7]
        );
        assert_eq!(mpint(&[0x80]), [0, 0, 0, 2, 0, 0x80]);
    }

    #[test]
    fn integers_that_are_not_positive_and_shortest_are_refused() {
        for content in [&[][..], &[0], &[0, 0x7f], &[0x80], &[0, 0, 0x80]] {
            let mut writer = Writer::default();
            writer.string(content);
            let bytes = writer.into_bytes();
            assert_eq!(
                Reader::new(&bytes).positive_mpint(),
                Err(WireError::BadInteger),
                "{content:?}"
            );
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (error, text) in [
            (
                WireError::BadInteger,
                "an integer is not positive or not in its shortest form",
            ),
            (WireError::NotUtf8, "a text field is not UTF-8"),
            (WireError::TrailingBytes, "there are bytes after the end"),
            (WireError::Truncated, "the end comes too early"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(number in any::<u64>(), bytes in any::<Vec<u8>>(), text in ".*") {
            let mut writer = Writer::default();
            writer.u64(number).string(&bytes).string(&text).mpint(&[1, 2]);
            let written = writer.into_bytes();
            let mut reader = Reader::new(&written);
            prop_assert_eq!(reader.u64(), Ok(number));
            prop_assert_eq!(reader.string(), Ok(&bytes[..]));
            prop_assert_eq!(reader.text(), Ok(&text[..]));
            prop_assert_eq!(reader.positive_mpint(), Ok(&[1, 2][..]));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn every_truncation_is_noticed(bytes in any::<Vec<u8>>(), cut in any::<prop::sample::Index>()) {
            let mut writer = Writer::default();
            writer.string(&bytes);
            let written = writer.into_bytes();
            let short = &written[..cut.index(written.len())];
            prop_assert_eq!(Reader::new(short).string(), Err(WireError::Truncated));
        }
    }
}
