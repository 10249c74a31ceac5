//! The few SSH wire types (RFC 4251, section 5) that an agent needs.

use anyhow::{Context, Result};

/// Appends a `string`: length and bytes.
pub(crate) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("no test makes a string of 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends an `mpint` from big-endian unsigned bytes.
pub(crate) fn put_mpint(out: &mut Vec<u8>, unsigned: &[u8]) {
    let start = unsigned
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(unsigned.len());
    let mut minimal = unsigned[start..].to_vec();
    if minimal.first().is_some_and(|byte| byte & 0x80 != 0) {
        minimal.insert(0, 0);
    }
    put_string(out, &minimal);
}

/// Takes a `string` off the front.
pub(crate) fn take_string<'a>(input: &mut &'a [u8]) -> Result<&'a [u8]> {
    let (length, rest) = input.split_first_chunk::<4>().context("truncated length")?;
    let length = usize::try_from(u32::from_be_bytes(*length))?;
    let (bytes, rest) = rest.split_at_checked(length).context("truncated string")?;
    *input = rest;
    Ok(bytes)
}
