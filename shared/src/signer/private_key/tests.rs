use super::*;
use crate::{authority::KeySpec, random::SystemRandomSource, signer::Signer, ssh::PublicKey};
use proptest::prelude::*;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// Runs a program that wrote the keys of the world, and gives what it prints.
fn run(program: &str, arguments: &[&str]) -> String {
    let package = if program == "openssl" {
        "openssl"
    } else {
        "openssh-client"
    };
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; apt-get install {package}"));
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{program} {arguments:?}: {err}");
    out.into_owned()
}

/// A directory that is removed at the end, with files that ssh-keygen finds private enough.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    /// A key pair that ssh-keygen makes; gives both halves.
    fn keygen(&self, name: &str, arguments: &[&str]) -> (String, PublicKey) {
        let path = self.path(name);
        let arguments = [&["-q", "-C", "a comment", "-f", text(&path)], arguments].concat();
        run("ssh-keygen", &arguments);
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        (
            fs::read_to_string(&path).unwrap(),
            PublicKey::from_line(&public).unwrap(),
        )
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The public half of a private key file, as ssh-keygen says.
fn public_half(path: &Path, passphrase: &str) -> PublicKey {
    PublicKey::from_line(&run("ssh-keygen", &["-y", "-P", passphrase, "-f", text(path)])).unwrap()
}

fn imported(private_key: &str) -> Result<PublicKey, PrivateKeyError> {
    let key = parse_private_key(private_key)?;
    Ok(InProcessSigner::from_pkcs8(&key).unwrap().public_key().clone())
}

const TYPES: [&[&str]; 7] = [
    &["-t", "ed25519"],
    &["-t", "ecdsa", "-b", "256"],
    &["-t", "ecdsa", "-b", "384"],
    &["-t", "ecdsa", "-b", "521"],
    &["-t", "rsa", "-b", "2048"],
    &["-t", "rsa", "-b", "3072"],
    &["-t", "rsa", "-b", "4096"],
];

#[test]
fn every_form_that_ssh_keygen_writes_is_imported() {
    let files = Files::new();
    // "PEM" is PKCS#1 or SEC 1; Ed25519 has OpenSSH's form alone.
    for form in ["RFC4716", "PEM", "PKCS8"] {
        for (index, of_type) in TYPES.iter().enumerate() {
            let arguments = [*of_type, &["-N", "", "-m", form]].concat();
            let (private, public) = files.keygen(&format!("{form}-{index}"), &arguments);
            assert_eq!(imported(&private), Ok(public), "{arguments:?}\n{private}");
        }
    }
}

#[test]
fn every_form_that_openssl_writes_is_imported() {
    let files = Files::new();
    let commands: [&[&str]; 6] = [
        &["genpkey", "-algorithm", "ed25519"],
        &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        &[
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-384",
        ],
        &["ecparam", "-genkey", "-name", "prime256v1"], // parameters, then SEC 1
        &["ecparam", "-genkey", "-name", "secp521r1", "-noout"],
        &["genrsa", "-traditional", "3072"],
    ];
    for (index, command) in commands.into_iter().enumerate() {
        let private = run("openssl", command);
        let path = files.write(&index.to_string(), &private);
        let public = if command.contains(&"ed25519") {
            // ssh-keygen reads no Ed25519 key in PKCS#8.
            let spki = run("openssl", &["pkey", "-in", text(&path), "-pubout"]);
            let content = pem::decode(&spki).unwrap().content;
            PublicKey::ed25519(content[content.len() - 32..].try_into().unwrap())
        } else {
            public_half(&path, "")
        };
        assert_eq!(imported(&private), Ok(public), "{command:?}\n{private}");
    }
}

/// openssl before 1.1 left the leading zeros of a secret out.
#[test]
fn a_sec1_key_may_have_a_short_secret_where_it_names_its_curve() {
    let short = [
        &[0x30, 0x30, 2, 1, 1, 4, 31][..],
        &[7; 31],
        &[0xa0, 0x0a, 6, 8],
        der::curve_oid(Curve::P256),
    ]
    .concat();
    let key = parse_private_key(&pem::encode("EC PRIVATE KEY", &short)).unwrap();
    let generated = GeneratedKey::from_pkcs8(&key).unwrap();
    let files = Files::new();
    let path = files.write("key", &generated.to_pem());
    assert_eq!(public_half(&path, ""), *generated.public_key());
    assert_eq!(
        imported(&generated.to_openssh("")).as_ref(),
        Ok(generated.public_key())
    );
    let nameless = [&[0x30, 36, 2, 1, 1, 4, 31][..], &[7; 31]].concat();
    let refused = parse_private_key(&pem::encode("EC PRIVATE KEY", &nameless));
    assert_eq!(refused, Err(PrivateKeyError::Malformed));
}

#[test]
fn text_around_the_key_and_other_line_ends_do_no_harm() {
    let files = Files::new();
    let (private, public) = files.keygen("key", &["-t", "ed25519", "-N", ""]);
    for text in [
        private.replace('\n', "\r\n"),
        format!("my key:\n\n{private}\nits end\n"),
        private.replace('\n', "\n  "),
        private.trim_end().to_owned(),
    ] {
        assert_eq!(imported(&text), Ok(public.clone()), "{text}");
    }
}

#[test]
fn an_encrypted_key_is_refused_as_such_in_every_form() {
    let files = Files::new();
    for form in ["RFC4716", "PEM", "PKCS8"] {
        let arguments = ["-t", "ecdsa", "-N", "passphrase", "-m", form];
        let (private, _) = files.keygen(form, &arguments);
        assert_eq!(
            parse_private_key(&private),
            Err(PrivateKeyError::Encrypted),
            "{private}"
        );
    }
}

#[test]
fn keys_that_are_too_weak_or_of_other_types_are_refused() {
    let weak = run("openssl", &["genrsa", "-traditional", "1024"]);
    assert_eq!(parse_private_key(&weak), Err(PrivateKeyError::RsaSize));
    let weak = run("openssl", &["genrsa", "1024"]);
    assert_eq!(parse_private_key(&weak), Err(PrivateKeyError::RsaSize));
    let files = Files::new();
    let path = files.path("weak");
    run(
        "ssh-keygen",
        &["-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", text(&path)],
    );
    let weak = fs::read_to_string(&path).unwrap();
    assert_eq!(parse_private_key(&weak), Err(PrivateKeyError::RsaSize));

    for command in [
        &["ecparam", "-genkey", "-name", "secp256k1", "-noout"][..],
        &["genpkey", "-algorithm", "x25519"],
        &["genpkey", "-algorithm", "ed448"],
    ] {
        let other = run("openssl", command);
        assert_eq!(
            parse_private_key(&other),
            Err(PrivateKeyError::Malformed),
            "{command:?}"
        );
    }
    let label = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    for other in ["PUBLIC KEY", "CERTIFICATE", "DSA PRIVATE KEY"] {
        assert_eq!(
            parse_private_key(&label(other)),
            Err(PrivateKeyError::Unsupported(other.into()))
        );
    }
}

#[test]
fn what_is_no_pem_block_is_refused() {
    for (text, error) in [
        ("", PrivateKeyError::NotPem),
        ("ssh-ed25519 AAAA", PrivateKeyError::NotPem),
        ("-----BEGIN PRIVATE KEY-----", PrivateKeyError::Malformed),
        (
            "-----BEGIN PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----",
            PrivateKeyError::Malformed,
        ),
        (
            "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----",
            PrivateKeyError::Malformed,
        ),
        (
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
            PrivateKeyError::Malformed,
        ),
    ] {
        assert_eq!(parse_private_key(text), Err(error), "{text}");
    }
}

/// Every byte of the binary form is changed once, and only a changed comment goes through.
#[tokio::test]
async fn a_damaged_key_is_refused() {
    for spec in [KeySpec::Ed25519, KeySpec::P521, KeySpec::Rsa2048] {
        let generated = GeneratedKey::generate(spec).await.unwrap();
        let block = pem::decode(&generated.to_openssh("comment")).unwrap().content;
        let mut accepted = 0;
        for index in 0..block.len() {
            let mut damaged = block.clone();
            damaged[index] ^= 1;
            if let Ok(key) = openssh::read(&damaged) {
                accepted += 1;
                let of_key = InProcessSigner::from_pkcs8(&key).unwrap().public_key().clone();
                assert_eq!(of_key, *generated.public_key(), "byte {index}");
            }
            assert!(openssh::read(&block[..index]).is_err(), "{index} bytes");
        }
        assert_eq!(accepted, "comment".len(), "{spec:?}");
    }
}

#[tokio::test]
async fn a_made_key_is_read_by_ssh_keygen_and_by_us_in_every_form() {
    let files = Files::new();
    for spec in KeySpec::ALL {
        let generated = GeneratedKey::generate(spec).await.unwrap();
        assert_eq!(KeySpec::of(generated.public_key()), Some(spec));
        for private in [generated.to_pem(), generated.to_openssh("me@example.com")] {
            assert!(private.ends_with("-----\n"));
            let path = files.write("key", &private);
            assert_eq!(public_half(&path, ""), *generated.public_key(), "{spec:?}");
            assert_eq!(imported(&private).as_ref(), Ok(generated.public_key()));
        }
        let listed = run("ssh-keygen", &["-l", "-f", text(&files.path("key"))]);
        assert!(listed.contains(&generated.public_key().fingerprint()), "{listed}");
        assert!(listed.contains(" me@example.com "), "{listed}");

        let reopened = GeneratedKey::from_pkcs8(generated.pkcs8()).unwrap();
        assert_eq!(reopened.to_openssh("x"), generated.to_openssh("x"));
        assert_eq!(
            format!("{reopened:?}"),
            format!("GeneratedKey({})", generated.public_key().fingerprint())
        );
    }
}

#[tokio::test]
async fn the_forms_are_those_of_vault() {
    for (spec, label) in [
        (KeySpec::Ed25519, "OPENSSH PRIVATE KEY"),
        (KeySpec::P384, "EC PRIVATE KEY"),
        (KeySpec::Rsa2048, "RSA PRIVATE KEY"),
    ] {
        let private = GeneratedKey::generate(spec).await.unwrap().to_pem();
        assert!(
            private.starts_with(&format!("-----BEGIN {label}-----\n")),
            "{}",
            *private
        );
    }
    // openssl writes SEC 1 as we do, byte for byte.
    let key = GeneratedKey::generate(KeySpec::P521).await.unwrap().to_pem();
    let files = Files::new();
    let path = files.write("key", &key);
    assert_eq!(run("openssl", &["ec", "-in", text(&path)]), *key);
}

#[tokio::test]
async fn an_encrypted_key_opens_with_its_passphrase_alone() {
    let files = Files::new();
    let random = SystemRandomSource::default();
    for spec in [KeySpec::Ed25519, KeySpec::P256, KeySpec::Rsa2048] {
        let generated = GeneratedKey::generate(spec).await.unwrap();
        let encrypted = generated
            .to_encrypted_openssh("me", "pass phrase", &random)
            .await
            .unwrap();
        assert_eq!(parse_private_key(&encrypted), Err(PrivateKeyError::Encrypted));
        let path = files.write("key", &encrypted);
        assert_eq!(public_half(&path, "pass phrase"), *generated.public_key());
        let wrong = Command::new("ssh-keygen")
            .args(["-y", "-P", "wrong", "-f", text(&path)])
            .output();
        assert!(!wrong.unwrap().status.success());
        let again = generated
            .to_encrypted_openssh("me", "pass phrase", &random)
            .await
            .unwrap();
        assert_ne!(encrypted, again, "each has its own salt");
        assert!(generated.to_encrypted_openssh("me", "", &random).await.is_err());
    }
}

/// A second opinion on the form, from another implementation.
#[tokio::test]
async fn ssh_key_reads_what_we_write() {
    for spec in [KeySpec::Ed25519, KeySpec::P384, KeySpec::Rsa2048] {
        let generated = GeneratedKey::generate(spec).await.unwrap();
        let read = ssh_key::PrivateKey::from_openssh(generated.to_openssh("comment").as_bytes()).unwrap();
        assert_eq!(
            read.public_key().to_bytes().unwrap(),
            generated.public_key().to_blob()
        );
        assert_eq!(read.comment().to_string(), "comment");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".*", content in any::<Vec<u8>>(), kind in 0_usize..4) {
        prop_assert!(parse_private_key(&text).is_err());
        let label = ["EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PRIVATE KEY", "RSA PRIVATE KEY"][kind];
        let block = pem::encode(label, &content);
        prop_assert_eq!(&*pem::decode(&block).unwrap().content, &content);
        prop_assert!(parse_private_key(&block).is_err());
    }

    #[test]
    fn any_openssh_content_is_read_or_refused(content in any::<Vec<u8>>()) {
        prop_assert!(openssh::read(&[b"openssh-key-v1\0", &content[..]].concat()).is_err());
    }
}
