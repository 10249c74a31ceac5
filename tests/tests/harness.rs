//! The harness itself: what the end-to-end tests rest on works, and refuses, on its own.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use countersign_tests::{
    Identity, KeyFile, KeyType, Ministack, Presence, SkKeyType, SoftwareAuthenticator, Sshd, certify,
    current_user, decode_certificate, fingerprint, make_key, run, run_python, ssh_keygen,
};
use tempfile::TempDir;

struct Ca {
    directory: TempDir,
    key: KeyFile,
}

impl Ca {
    fn make() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let key = make_key(directory.path(), "ca", KeyType::Ed25519)?;
        Ok(Self { directory, key })
    }

    fn public_line(&self) -> Result<String> {
        self.key.public_line()
    }

    fn certify_user(&self, subject_key: &str, principal: &str, more: &[&str]) -> Result<String> {
        let mut options = vec!["-I", "harness", "-z", "7", "-V", "-5m:+1h", "-n", principal];
        options.extend(more);
        certify(&self.key, subject_key, &options)
    }

    fn revoke_serial(&self, serial: u64) -> Result<Vec<u8>> {
        let path = |name| self.directory.path().join(name);
        std::fs::write(path("serials"), format!("serial: {serial}\n"))?;
        let [krl, ca, serials] = ["krl", "ca.pub", "serials"].map(|name| path(name).into_os_string());
        ssh_keygen(&[
            "-q".into(),
            "-k".into(),
            "-f".into(),
            krl,
            "-s".into(),
            ca,
            serials,
        ])?;
        Ok(std::fs::read(path("krl"))?)
    }
}

fn identity<'a>(key: &'a KeyFile, certificate: &'a Path) -> Identity<'a> {
    Identity::File {
        key: key.path(),
        certificate,
    }
}

#[test]
fn every_key_type_logs_in_with_a_certificate_and_no_other_principal_does() -> Result<()> {
    let ca = Ca::make()?;
    let sshd = Sshd::builder()?.user_ca(&ca.public_line()?).start()?;
    for key_type in KeyType::ALL {
        let subject = make_key(ca.directory.path(), &format!("{key_type:?}"), key_type)?;

        let right =
            subject.write_certificate(&ca.certify_user(&subject.public_line()?, &current_user()?, &[])?)?;
        let outcome = sshd
            .login(identity(&subject, &right), "echo in; exit 3")?
            .accepted()?;
        ensure!(
            (outcome.status, outcome.stdout.as_str()) == (Some(3), "in\n"),
            "{key_type:?}: {outcome:?}"
        );

        let wrong =
            subject.write_certificate(&ca.certify_user(&subject.public_line()?, "nobody-else", &[])?)?;
        sshd.login(identity(&subject, &wrong), "true")?
            .refused()
            .with_context(|| format!("{key_type:?}"))?;
    }
    sshd.wait_for_log("Accepted certificate ID \"harness\" (serial 7) signed by ED25519 CA")?;
    sshd.wait_for_log("name is not a listed principal")
}

#[test]
fn a_revoked_serial_or_a_ca_no_longer_trusted_is_refused_without_a_restart() -> Result<()> {
    let ca = Ca::make()?;
    let subject = make_key(ca.directory.path(), "subject", KeyType::Ed25519)?;
    let certificate =
        subject.write_certificate(&ca.certify_user(&subject.public_line()?, &current_user()?, &[])?)?;
    let sshd = Sshd::builder()?
        .user_ca(&ca.public_line()?)
        .revoked_keys(&ca.revoke_serial(8)?)
        .start()?;

    sshd.login(identity(&subject, &certificate), "true")?.accepted()?;
    sshd.set_revoked_keys(&ca.revoke_serial(7)?)?;
    sshd.login(identity(&subject, &certificate), "true")?.refused()?;
    sshd.set_revoked_keys(&ca.revoke_serial(8)?)?;
    sshd.login(identity(&subject, &certificate), "true")?.accepted()?;
    sshd.set_user_cas(&[&subject.public_line()?])?;
    sshd.login(identity(&subject, &certificate), "true")?.refused()?;
    Ok(())
}

#[test]
fn a_client_trusts_a_certified_host_by_its_ca_alone() -> Result<()> {
    let ca = Ca::make()?;
    let subject = make_key(ca.directory.path(), "subject", KeyType::Ed25519)?;
    let certificate =
        subject.write_certificate(&ca.certify_user(&subject.public_line()?, &current_user()?, &[])?)?;
    for (name, trusted) in [("127.0.0.1", true), ("db.example.com", false)] {
        let builder = Sshd::builder()?.user_ca(&ca.public_line()?);
        let host_key = builder.host_key().public_line()?;
        let host = certify(
            &ca.key,
            &host_key,
            &["-h", "-I", "host", "-V", "-5m:+1h", "-n", name],
        )?;
        let sshd = builder.host_certificate(&host, &ca.public_line()?)?.start()?;

        let outcome = sshd.login(identity(&subject, &certificate), "true")?;
        ensure!(outcome.is_accepted() == trusted, "{name}: {outcome:?}");
        ensure!(
            trusted || outcome.stderr.contains("Host key verification failed"),
            "{name}: {outcome:?}"
        );
        ensure!(!outcome.is_refused(), "{name}: {outcome:?}");
    }
    Ok(())
}

#[test]
fn security_keys_log_in_through_the_software_authenticator() -> Result<()> {
    let ca = Ca::make()?;
    let sshd = Sshd::builder()?.user_ca(&ca.public_line()?).start()?;
    // What sshd makes of each assertion, by default and under each option of the certificate.
    let cases: [(Presence, &[&str], bool); 5] = [
        (Presence::Touched, &[], true),
        (Presence::Absent, &[], false),
        (Presence::Absent, &["-O", "no-touch-required"], true),
        (Presence::Touched, &["-O", "verify-required"], false),
        (Presence::Verified, &["-O", "verify-required"], true),
    ];
    for key_type in [SkKeyType::EcdsaP256, SkKeyType::Ed25519] {
        for (presence, options, accepted) in cases {
            let key = SoftwareAuthenticator::start(key_type, presence)?;
            key.present(&ca.certify_user(&key.public_key(), &current_user()?, options)?)?;
            let outcome = sshd.login(Identity::Agent(&key.socket()), "echo in")?;
            ensure!(
                outcome.is_accepted() == accepted,
                "{key_type:?} {presence:?} {options:?}: {outcome:?}"
            );
            ensure!(
                outcome.is_refused() != accepted,
                "{key_type:?} {presence:?} {options:?}: {outcome:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_security_key_is_refused_for_another_principal_and_without_a_certificate() -> Result<()> {
    let ca = Ca::make()?;
    let sshd = Sshd::builder()?.user_ca(&ca.public_line()?).start()?;
    for key_type in [SkKeyType::EcdsaP256, SkKeyType::Ed25519] {
        let key = SoftwareAuthenticator::start(key_type, Presence::Verified)?;
        sshd.login(Identity::Agent(&key.socket()), "true")?.refused()?;
        key.present(&ca.certify_user(&key.public_key(), "nobody-else", &[])?)?;
        sshd.login(Identity::Agent(&key.socket()), "true")?.refused()?;
    }
    Ok(())
}

#[test]
fn ssh_keygen_reads_certificates_and_fingerprints() -> Result<()> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let golden = decode_certificate(&std::fs::read_to_string(vectors.join("golden-cert.pub"))?)?;
    ensure!(
        golden.contains("Valid: from 2023-11-14T22:13:20 to 2023-11-14T23:13:20"),
        "{golden}"
    );
    ensure!(golden.contains("Key ID: \"alice@example.com\""), "{golden}");
    let ca = std::fs::read_to_string(vectors.join("keys/golden_ca.pub"))?;
    ensure!(fingerprint(&ca)? == "SHA256:4A9jyZBOhnKZvcGQ6TRFbf5Gymb41AfYvYaVmWHD+G4");
    ensure!(decode_certificate(&ca).is_err(), "a plain key is no certificate");

    let directory = tempfile::tempdir()?;
    let committed = KeyFile::copy_of(&vectors.join("keys/ca_ed25519"), directory.path())?;
    certify(
        &committed,
        &committed.public_line()?,
        &["-I", "self", "-n", "alice"],
    )?;
    Ok(())
}

#[test]
fn ministack_signs_and_two_of_them_share_nothing() -> Result<()> {
    let (first, second) = (Ministack::start()?, Ministack::start()?);
    ensure!(first.port() != second.port());
    let script = "harness/ministack.py";
    let endpoints = [first.endpoint(), second.endpoint()];
    run_python(script, &[&endpoints[0], &endpoints[1]], &[])?;
    Ok(())
}

#[test]
fn commands_end_at_their_limit_with_all_that_they_started() -> Result<()> {
    let limit = Duration::from_millis(300);
    let error = run(
        Command::new("sh").args(["-c", "echo begun; sleep 60 & wait"]),
        limit,
    )
    .err()
    .context("the command ran past its limit")?;
    ensure!(format!("{error:#}").contains("begun"), "{error:#}");
    Ok(())
}
