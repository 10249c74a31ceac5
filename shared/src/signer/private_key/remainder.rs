//! The remainder of two large numbers, for the two numbers of an RSA key that OpenSSH's form leaves out.

use zeroize::Zeroizing;

/// `number` mod (`odd` - 1), big-endian, where `odd` is odd and greater than 1.
///
/// Binary long division. Its time depends on the lengths alone, not on the secrets. aws-lc checks the result
/// against the rest of the key.
pub(super) fn remainder_of_predecessor(number: &[u8], odd: &[u8]) -> Zeroizing<Vec<u8>> {
    let divisor = predecessor(odd);
    // One word more than the divisor, for the bit that doubling pushes out.
    let mut rest = Zeroizing::new(vec![0_u32; divisor.len()]);
    let mut reduced = Zeroizing::new(vec![0_u32; divisor.len()]);
    for byte in number {
        for bit in (0..8).rev() {
            double_and_add(&mut rest, u32::from(byte >> bit & 1));
            let borrow = subtract(&rest, &divisor, &mut reduced);
            select(&mut rest, &reduced, borrow);
        }
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(rest.len() * 4));
    for word in rest.iter().rev() {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// `odd` - 1 in little-endian words, with an empty word at the end.
fn predecessor(odd: &[u8]) -> Zeroizing<Vec<u32>> {
    let mut words = Zeroizing::new(Vec::with_capacity(odd.len() / 4 + 2));
    words.extend(
        odd.rchunks(4)
            .map(|bytes| bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte))),
    );
    words.push(0);
    words[0] &= !1;
    words
}

fn double_and_add(words: &mut [u32], bit: u32) {
    let mut carry = bit;
    for word in words {
        (*word, carry) = (*word << 1 | carry, *word >> 31);
    }
}

/// `out` = `left` - `right`; 1 where that is negative, otherwise 0.
fn subtract(left: &[u32], right: &[u32], out: &mut [u32]) -> u32 {
    let mut borrow = 0_i64;
    for ((left, right), out) in left.iter().zip(right).zip(out) {
        let difference = i64::from(*left) - i64::from(*right) + borrow;
        *out = (difference & 0xffff_ffff) as u32;
        borrow = difference >> 32; // 0 or -1
    }
    (borrow & 1) as u32
}

/// `words` = `others`, unless `keep` is 1.
fn select(words: &mut [u32], others: &[u32], keep: u32) {
    let mask = keep.wrapping_neg();
    for (word, other) in words.iter_mut().zip(others) {
        *word = *word & mask | *other & !mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn remainder(number: u128, odd: u128) -> u128 {
        let bytes = remainder_of_predecessor(&number.to_be_bytes(), &odd.to_be_bytes());
        bytes.iter().fold(0, |value, byte| value << 8 | u128::from(*byte))
    }

    #[test]
    fn the_edges_are_as_division_says() {
        for odd in [3, 5, 0xffff_ffff, 0x1_0000_0001, u128::MAX] {
            for number in [0, 1, odd - 2, odd - 1, odd, u128::MAX] {
                assert_eq!(remainder(number, odd), number % (odd - 1), "{number} {odd}");
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_what_division_says(number in any::<u128>(), odd in any::<u128>(), shift in 0_u32..126) {
            let odd = (odd >> shift) | 3;
            prop_assert_eq!(remainder(number, odd), number % (odd - 1));
        }
    }
}
