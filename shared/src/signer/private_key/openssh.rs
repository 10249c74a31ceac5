//! OpenSSH's own form of private keys (`PROTOCOL.key` in its sources).

use super::{
    PrivateKeyError,
    generated::{Parts, RsaParts},
    remainder::remainder_of_predecessor,
};
use crate::{
    signer::{Pkcs8Key, in_process::ecdsa},
    ssh::{Curve, PublicKey, Reader, WireError, Writer},
};
use aws_lc_rs::{
    cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey},
    digest,
    encoding::AsDer,
    iv::FixedLength,
    rsa::{KeyPairComponents, PublicKeyComponents},
    signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair},
};
use zeroize::Zeroizing;

const MAGIC: &[u8] = b"openssh-key-v1\0";
/// The size to which a plain key is padded; an encrypted one is padded to the cipher's block.
const PLAIN_BLOCK: usize = 8;
const AES_BLOCK: usize = 16;
const AES_KEY_BYTES: usize = 32;
/// As OpenSSH 10 has it.
const BCRYPT_ROUNDS: u32 = 24;
/// 8192 bits, the most that aws-lc signs with.
const MAX_RSA_BYTES: usize = 1024;

/// A salt for [`encrypt`]; never used twice.
pub(super) type Salt = [u8; 16];

/// Reads the content of an `OPENSSH PRIVATE KEY` block.
pub(super) fn read(content: &[u8]) -> Result<Pkcs8Key, PrivateKeyError> {
    let mut outer = Reader::new(content.strip_prefix(MAGIC).ok_or(PrivateKeyError::Malformed)?);
    let (cipher, kdf, kdf_options) = (outer.string()?, outer.string()?, outer.string()?);
    if cipher != b"none" || kdf != b"none" {
        return Err(PrivateKeyError::Encrypted);
    }
    if !kdf_options.is_empty() || outer.u32()? != 1 {
        return Err(PrivateKeyError::Malformed);
    }
    let public_key = PublicKey::from_blob(outer.string()?)?;
    let section = outer.string()?;
    outer.finish()?;

    let mut inner = Reader::new(section);
    if section.len() % PLAIN_BLOCK != 0 || inner.u32()? != inner.u32()? {
        return Err(PrivateKeyError::Malformed);
    }
    let (key, of_key) = read_pair(&mut inner)?;
    inner.string()?; // the comment
    let padding = inner.rest();
    let padded = padding.len() < PLAIN_BLOCK && padding.iter().zip(1..).all(|(byte, count)| *byte == count);
    if !padded || of_key != public_key {
        return Err(PrivateKeyError::Malformed);
    }
    Ok(key)
}

/// The fields of a key pair, from its type name on.
fn read_pair(reader: &mut Reader<'_>) -> Result<(Pkcs8Key, PublicKey), PrivateKeyError> {
    match reader.text()? {
        "ecdsa-sha2-nistp256" => read_ecdsa(Curve::P256, reader),
        "ecdsa-sha2-nistp384" => read_ecdsa(Curve::P384, reader),
        "ecdsa-sha2-nistp521" => read_ecdsa(Curve::P521, reader),
        "ssh-ed25519" => read_ed25519(reader),
        "ssh-rsa" => read_rsa(reader),
        other => Err(PrivateKeyError::Unsupported(other.chars().take(64).collect())),
    }
}

fn read_ecdsa(curve: Curve, reader: &mut Reader<'_>) -> Result<(Pkcs8Key, PublicKey), PrivateKeyError> {
    if reader.text()? != curve.name() {
        return Err(PrivateKeyError::Malformed);
    }
    let point = reader.string()?;
    let secret = reader.positive_mpint()?;
    // aws-lc wants as many bytes as the field has.
    let len = (curve.bits() as usize).div_ceil(8);
    let start = len.checked_sub(secret.len()).ok_or(PrivateKeyError::Malformed)?;
    let mut fixed = Zeroizing::new(vec![0; len]);
    fixed[start..].copy_from_slice(secret);
    let pair = EcdsaKeyPair::from_private_key_and_public_key(ecdsa(curve), &fixed, point)?;
    let key = Pkcs8Key::new(pair.to_pkcs8v1()?.as_ref().to_vec());
    Ok((key, PublicKey::ecdsa(curve, point)?))
}

fn read_ed25519(reader: &mut Reader<'_>) -> Result<(Pkcs8Key, PublicKey), PrivateKeyError> {
    let public: [u8; 32] = reader
        .string()?
        .try_into()
        .map_err(|_| PrivateKeyError::Malformed)?;
    let (seed, public_again) = reader
        .string()?
        .split_at_checked(32)
        .ok_or(PrivateKeyError::Malformed)?;
    if public_again != public {
        return Err(PrivateKeyError::Malformed);
    }
    let pair = Ed25519KeyPair::from_seed_and_public_key(seed, &public)?;
    Ok((
        Pkcs8Key::new(pair.to_pkcs8v1()?.as_ref().to_vec()),
        PublicKey::ed25519(public),
    ))
}

fn read_rsa(reader: &mut Reader<'_>) -> Result<(Pkcs8Key, PublicKey), PrivateKeyError> {
    let mut number = || -> Result<_, WireError> { reader.positive_mpint() };
    let (n, e, d) = (number()?, number()?, number()?);
    let (q_inverse, p, q) = (number()?, number()?, number()?);
    let public_key = PublicKey::rsa(e, n)?;
    if [n, d, p, q].iter().any(|number| number.len() > MAX_RSA_BYTES) {
        return Err(PrivateKeyError::RsaSize);
    }
    let odd_prime = |number: &[u8]| number != [1] && number.last().is_some_and(|byte| byte & 1 == 1);
    if !odd_prime(p) || !odd_prime(q) {
        return Err(PrivateKeyError::Malformed);
    }
    let pair = RsaKeyPair::from_components(&KeyPairComponents {
        public_key: PublicKeyComponents { n, e },
        d,
        p,
        q,
        dP: &remainder_of_predecessor(d, p)[..],
        dQ: &remainder_of_predecessor(d, q)[..],
        qInv: q_inverse,
    })?;
    Ok((Pkcs8Key::new(pair.as_der()?.as_ref().to_vec()), public_key))
}

/// The content of an `OPENSSH PRIVATE KEY` block without passphrase.
pub(super) fn write(parts: &Parts<'_>, public_key: &PublicKey, comment: &str) -> Zeroizing<Vec<u8>> {
    let section = write_section(parts, public_key, comment, PLAIN_BLOCK);
    assemble("none", "none", &[], public_key, &section)
}

/// The content of an `OPENSSH PRIVATE KEY` block, with the `section` of [`section_to_encrypt`] encrypted under
/// `passphrase`. `None` where the passphrase is empty.
pub(super) fn encrypt(
    mut section: Zeroizing<Vec<u8>>,
    public_key: &PublicKey,
    passphrase: &str,
    salt: &Salt,
) -> Option<Zeroizing<Vec<u8>>> {
    let mut derived = Zeroizing::new([0; AES_KEY_BYTES + AES_BLOCK]);
    bcrypt_pbkdf::bcrypt_pbkdf(passphrase, salt, BCRYPT_ROUNDS, &mut *derived).ok()?;
    let (key, iv) = derived.split_at(AES_KEY_BYTES);
    let context = EncryptionContext::Iv128(FixedLength::try_from(iv).ok()?);
    UnboundCipherKey::new(&AES_256, key)
        .and_then(EncryptingKey::ctr)
        .and_then(|key| key.less_safe_encrypt(&mut section, context))
        .ok()?;
    let mut options = Writer::default();
    options.string(salt).u32(BCRYPT_ROUNDS);
    Some(assemble(
        "aes256-ctr",
        "bcrypt",
        &options.into_bytes(),
        public_key,
        &section,
    ))
}

/// What [`encrypt`] encrypts.
pub(super) fn section_to_encrypt(
    parts: &Parts<'_>,
    public_key: &PublicKey,
    comment: &str,
) -> Zeroizing<Vec<u8>> {
    write_section(parts, public_key, comment, AES_BLOCK)
}

fn write_section(
    parts: &Parts<'_>,
    public_key: &PublicKey,
    comment: &str,
    block: usize,
) -> Zeroizing<Vec<u8>> {
    let blob = public_key.to_blob();
    // More than it can take, so that no half-grown copy of the key stays in memory: an RSA key has two numbers as long
    // as its modulus and three half as long.
    let capacity = 6 * blob.len() + comment.len() + 256;
    let mut writer = Writer::with_capacity(capacity);
    // By these two a reader knows that the passphrase was right. They need not be secret.
    let hash = digest::digest(&digest::SHA256, &blob);
    writer.raw(&hash.as_ref()[..4]).raw(&hash.as_ref()[..4]);
    match parts {
        // The point stands in the public blob as it does here, behind the same two names.
        Parts::Ecdsa { secret, .. } => writer.raw(&blob).mpint(secret),
        Parts::Ed25519 { seed } => {
            let public = &blob[blob.len() - 32..];
            writer.raw(&blob).u32(64).raw(&seed[..]).raw(public)
        }
        Parts::Rsa(RsaParts {
            n,
            e,
            d,
            p,
            q,
            q_inverse,
            ..
        }) => writer
            .string(public_key.name())
            .mpint(n)
            .mpint(e)
            .mpint(d)
            .mpint(q_inverse)
            .mpint(p)
            .mpint(q),
    };
    writer.string(comment);
    let mut section = Zeroizing::new(writer.into_bytes());
    for byte in (1..).take(section.len().next_multiple_of(block) - section.len()) {
        section.push(byte);
    }
    debug_assert!(section.len() <= capacity, "the section has grown and left a copy");
    section
}

fn assemble(
    cipher: &str,
    kdf: &str,
    kdf_options: &[u8],
    public_key: &PublicKey,
    section: &[u8],
) -> Zeroizing<Vec<u8>> {
    let blob = public_key.to_blob();
    let mut writer = Writer::with_capacity(section.len() + blob.len() + 256);
    writer
        .raw(MAGIC)
        .string(cipher)
        .string(kdf)
        .string(kdf_options)
        .u32(1)
        .string(&blob)
        .string(section);
    Zeroizing::new(writer.into_bytes())
}
