//! Certificates that the core issues, judged by a real `sshd` and a real `ssh`.

#![allow(missing_docs)]

use anyhow::{Context, Result, ensure};
use countersign::{
    authority::{Authority, AuthorityId, AuthorityState, KeySpec},
    clock::{Clock, SystemClock},
    decide::{Request, RequestedKeyId, RequestedValidity},
    in_memory,
    issue::{Issuance, Issued, Origin, issue},
    role::{
        CertTypeRules, KeyIdRules, LifetimeRules, OptionNames, OptionRules, PrincipalMatcher, PrincipalRules,
        Role,
    },
    services::Services,
    ssh::{PublicKey, SignatureAlgorithm},
    types::CertType,
};
use countersign_tests::{
    Identity, KeyFile, KeyType, Presence, SkKeyType, SoftwareAuthenticator, Sshd, current_user,
    decode_certificate, make_key,
};
use std::collections::BTreeMap;
use tokio::runtime::Runtime;

/// A certificate authority in this process, and a runtime to ask it.
struct Countersign {
    runtime: Runtime,
    services: Services,
}

impl Countersign {
    fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let services = runtime.block_on(in_memory::services());
        Ok(Self { runtime, services })
    }

    fn authority(&self, spec: KeySpec) -> Result<Authority> {
        let now = self.services.clock.now();
        let id = AuthorityId::draw(now, &*self.services.random)?;
        let (public_key, custody) = self.runtime.block_on(self.services.keyring.create(&id, spec))?;
        Ok(Authority {
            id,
            public_key: public_key.to_line(),
            custody,
            state: AuthorityState::Active,
            created_at: now,
            description: String::new(),
            metadata: String::new(),
        })
    }

    fn issue(&self, authority: &Authority, role: &Role, request: &Request) -> Result<Issued> {
        let origin = Origin {
            family: "test",
            role: "logins".into(),
            ..Origin::default()
        };
        let issuance = Issuance {
            authority,
            role,
            request,
            origin: &origin,
            id: None,
            keep_signature: false,
            in_service: None,
            details: BTreeMap::new(),
        };
        Ok(self.runtime.block_on(issue(&self.services, issuance))?)
    }
}

/// A role that allows everything for an hour.
fn role() -> Role {
    let any = OptionRules {
        allowed: OptionNames::Any,
        ..OptionRules::default()
    };
    let rules = CertTypeRules {
        principals: PrincipalRules {
            allowed: vec![PrincipalMatcher::Any],
            default: vec![],
        },
        critical_options: any.clone(),
        extensions: any,
    };
    Role {
        user: Some(rules.clone()),
        host: Some(rules),
        key_ids: KeyIdRules::Any,
        lifetime: LifetimeRules {
            default_ttl_secs: 3600,
            max_ttl_secs: 3600,
            backdate_secs: 30,
        },
        ..Role::default()
    }
}

fn request(subject_key: &str, principal: &str) -> Result<Request> {
    Ok(Request {
        subject_key: PublicKey::from_line(subject_key)?,
        cert_type: CertType::User,
        principals: Some(vec![principal.into()]),
        validity: RequestedValidity::RoleDefault,
        key_id: RequestedKeyId::Chosen(format!("login of {principal}")),
        critical_options: None,
        extensions: None,
    })
}

fn with_option(request: Request, name: &str, value: &str) -> Request {
    Request {
        critical_options: Some([(name.into(), value.into())].into()),
        ..request
    }
}

/// Every CA algorithm: the seven kinds of key, and RSA with the hash that is not its default.
fn ca_algorithms() -> Vec<(KeySpec, Option<SignatureAlgorithm>)> {
    let mut all: Vec<_> = KeySpec::ALL.into_iter().map(|spec| (spec, None)).collect();
    all.push((KeySpec::Rsa2048, Some(SignatureAlgorithm::RsaSha256)));
    all
}

#[test]
fn every_subject_key_logs_in_under_every_ca_algorithm() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let user = current_user()?;
    let countersign = Countersign::start()?;
    let keys: Vec<KeyFile> = KeyType::ALL
        .into_iter()
        .map(|key_type| make_key(directory.path(), &format!("{key_type:?}"), key_type))
        .collect::<Result<_>>()?;
    for (spec, signature_algorithm) in ca_algorithms() {
        let what = format!("{} {signature_algorithm:?}", spec.name());
        let authority = countersign.authority(spec)?;
        let role = Role {
            signature_algorithm,
            ..role()
        };
        let sshd = Sshd::builder()?.user_ca(&authority.public_key).start()?;
        for key in &keys {
            let issued = countersign.issue(&authority, &role, &request(&key.public_line()?, &user)?)?;
            let certificate = key.write_certificate(&issued.certificate.to_line())?;
            let identity = Identity::File {
                key: key.path(),
                certificate: &certificate,
            };
            sshd.login(identity, "true")?.accepted().context(what.clone())?;
        }
        for key_type in [SkKeyType::Ed25519, SkKeyType::EcdsaP256] {
            let authenticator = SoftwareAuthenticator::start(key_type, Presence::Touched)?;
            let issued =
                countersign.issue(&authority, &role, &request(&authenticator.public_key(), &user)?)?;
            authenticator.present(&issued.certificate.to_line())?;
            let outcome = sshd.login(Identity::Agent(&authenticator.socket()), "true")?;
            outcome.accepted().context(what.clone())?;
        }
    }
    Ok(())
}

#[test]
fn sshd_enforces_principal_time_and_address() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let user = current_user()?;
    let countersign = Countersign::start()?;
    let authority = countersign.authority(KeySpec::Ed25519)?;
    let key = make_key(directory.path(), "key", KeyType::Ed25519)?;
    let sshd = Sshd::builder()?.user_ca(&authority.public_key).start()?;
    let login = |request: Request, command: &str| {
        let issued = countersign.issue(&authority, &role(), &request)?;
        let certificate = key.write_certificate(&issued.certificate.to_line())?;
        sshd.login(
            Identity::File {
                key: key.path(),
                certificate: &certificate,
            },
            command,
        )
    };
    let mine = || request(&key.public_line()?, &user);

    login(mine()?, "true")?.accepted()?;
    login(with_option(mine()?, "source-address", "127.0.0.1/8"), "true")?.accepted()?;
    let forced = login(with_option(mine()?, "force-command", "echo forced"), "echo asked")?.accepted()?;
    ensure!(forced.stdout == "forced\n", "{forced:?}");

    login(request(&key.public_line()?, "somebody-else")?, "true")?.refused()?;
    login(with_option(mine()?, "source-address", "10.0.0.0/8"), "true")?.refused()?;
    let now = SystemClock.now();
    let later = RequestedValidity::Window {
        valid_after: now + 600,
        valid_before: now + 1200,
    };
    login(
        Request {
            validity: later,
            ..mine()?
        },
        "true",
    )?
    .refused()?;

    // The shortest that can be issued has ended once the clock has moved on by its length.
    let short = Request {
        validity: RequestedValidity::Ttl(1),
        ..mine()?
    };
    let issued = countersign.issue(&authority, &role(), &short)?;
    let certificate = key.write_certificate(&issued.certificate.to_line())?;
    while SystemClock.now() < issued.certificate.fields().validity.valid_before() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    sshd.login(
        Identity::File {
            key: key.path(),
            certificate: &certificate,
        },
        "true",
    )?
    .refused()?;
    for reason in ["name is not a listed principal", "not yet valid", "expired"] {
        sshd.wait_for_log(reason)?;
    }
    Ok(())
}

#[test]
fn verify_required_asks_the_owner_and_not_only_a_touch() -> Result<()> {
    let user = current_user()?;
    let countersign = Countersign::start()?;
    let authority = countersign.authority(KeySpec::Ed25519)?;
    let sshd = Sshd::builder()?.user_ca(&authority.public_key).start()?;
    for (presence, accepted) in [(Presence::Touched, false), (Presence::Verified, true)] {
        let authenticator = SoftwareAuthenticator::start(SkKeyType::Ed25519, presence)?;
        let asked = with_option(
            request(&authenticator.public_key(), &user)?,
            "verify-required",
            "",
        );
        let issued = countersign.issue(&authority, &role(), &asked)?;
        authenticator.present(&issued.certificate.to_line())?;
        let outcome = sshd.login(Identity::Agent(&authenticator.socket()), "true")?;
        let outcome = if accepted {
            outcome.accepted()
        } else {
            outcome.refused()
        };
        outcome.with_context(|| format!("{presence:?}"))?;
    }
    Ok(())
}

#[test]
fn a_host_certificate_satisfies_a_client_that_knows_only_the_ca() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let countersign = Countersign::start()?;
    let authority = countersign.authority(KeySpec::P256)?;
    let key = make_key(directory.path(), "key", KeyType::Ed25519)?;
    let issued = countersign.issue(
        &authority,
        &role(),
        &request(&key.public_line()?, &current_user()?)?,
    )?;
    let certificate = key.write_certificate(&issued.certificate.to_line())?;
    let identity = || Identity::File {
        key: key.path(),
        certificate: &certificate,
    };
    for (name, trusted) in [("127.0.0.1", true), ("other.example.com", false)] {
        let builder = Sshd::builder()?.user_ca(&authority.public_key);
        let host_key = builder.host_key().public_line()?;
        let asked = Request {
            cert_type: CertType::Host,
            ..request(&host_key, name)?
        };
        let host = countersign.issue(&authority, &role(), &asked)?;
        let sshd = builder
            .host_certificate(&host.certificate.to_line(), &authority.public_key)?
            .start()?;
        let outcome = sshd.login(identity(), "true")?;
        ensure!(outcome.is_accepted() == trusted, "{name}: {outcome:?}");
        ensure!(
            trusted || !outcome.is_refused(),
            "it is the client that stops: {outcome:?}"
        );
    }
    Ok(())
}

#[test]
fn ssh_keygen_reads_what_was_asked_for() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let countersign = Countersign::start()?;
    let authority = countersign.authority(KeySpec::Ed25519)?;
    let key = make_key(directory.path(), "key", KeyType::Rsa2048)?;
    let asked = Request {
        key_id: RequestedKeyId::Chosen("Jörg 🔑".into()),
        principals: Some((0..256).map(|n| format!("user{n}")).collect()),
        extensions: Some(
            [
                ("permit-pty".into(), String::new()),
                ("login@github.com".into(), "jo".into()),
            ]
            .into(),
        ),
        ..request(&key.public_line()?, "x")?
    };
    let issued = countersign.issue(&authority, &role(), &asked)?;
    let text = decode_certificate(&issued.certificate.to_line())?;
    for line in [
        "Type: ssh-rsa-cert-v01@openssh.com user certificate".to_owned(),
        format!("Serial: {}", issued.certificate.fields().serial),
        "user0\n".into(),
        "user255\n".into(),
        "permit-pty\n".into(),
        "login@github.com UNKNOWN OPTION".into(),
    ] {
        ensure!(text.contains(&line), "{line:?} is not in\n{text}");
    }
    Ok(())
}
