//! The keyring of a deployment against MiniStack's KMS: from making a key to a certificate that OpenSSH reads.

use std::{collections::BTreeMap, fs, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use aws_sdk_kms::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, timeout::TimeoutConfig},
    types::{KeySpec as KmsKeySpec, KeyState, KeyUsageType},
};
use countersign::{
    Services,
    audit::MemoryLog,
    authority::{Authority, AuthorityId, AuthorityState, Custody, KeySpec},
    clock::FixedClock,
    decide::{Request, RequestedKeyId, RequestedValidity},
    issue::{Issuance, Issued, Origin, issue},
    random::SystemRandomSource,
    role::{CertTypeRules, LifetimeRules, PrincipalMatcher, PrincipalRules, Role},
    signer::{
        Keyring, SignerError,
        kms::KmsKeyring,
        private_key::{GeneratedKey, parse_private_key},
    },
    ssh::{PublicKey, SignatureAlgorithm, verify},
    store::embedded::Embedded,
    types::CertType,
};
use countersign_tests::{KeyType, Ministack, decode_certificate, fingerprint, make_key};

const NOW: u64 = 1_800_000_000;

struct Kms {
    _ministack: Ministack,
    client: Client,
    sealing_key: String,
}

impl Kms {
    async fn start() -> Result<Self> {
        let ministack = Ministack::start()?;
        // Not the time-outs of a deployment, which its own tests measure: a machine full of tests may take longer.
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(Duration::from_secs(60))
            .build();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(ministack.endpoint())
            .region(Region::from_static("eu-central-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
            .timeout_config(timeouts);
        let client = Client::from_conf(config.build());
        let created = client.create_key().send().await?;
        let sealing_key = created.key_metadata.context("a key")?.key_id;
        Ok(Self {
            _ministack: ministack,
            client,
            sealing_key,
        })
    }

    fn keyring(&self) -> KmsKeyring {
        KmsKeyring::new(self.client.clone(), &self.sealing_key)
    }

    async fn create_key(&self, spec: KmsKeySpec, usage: KeyUsageType) -> Result<String> {
        let created = self
            .client
            .create_key()
            .key_spec(spec)
            .key_usage(usage)
            .send()
            .await?;
        created.key_metadata.context("a key")?.arn.context("an ARN")
    }

    async fn state(&self, key: &str) -> Result<KeyState> {
        let described = self.client.describe_key().key_id(key).send().await?;
        described
            .key_metadata
            .context("a key")?
            .key_state
            .context("a state")
    }
}

async fn services(keyring: KmsKeyring) -> Services {
    Services::new(
        Arc::new(Embedded::in_memory().await),
        Arc::new(keyring),
        Arc::new(FixedClock::at(NOW)),
        Arc::new(SystemRandomSource::default()),
        Arc::new(MemoryLog::default()),
    )
}

fn new_id() -> Result<AuthorityId> {
    Ok(AuthorityId::draw(NOW, &SystemRandomSource::default())?)
}

fn authority(id: &AuthorityId, public_key: &PublicKey, custody: Custody) -> Authority {
    Authority {
        id: id.clone(),
        public_key: public_key.to_line(),
        custody,
        state: AuthorityState::Active,
        created_at: NOW,
        description: String::new(),
        metadata: String::new(),
    }
}

async fn issue_for_alice(
    services: &Services,
    authority: &Authority,
    signature_algorithm: Option<SignatureAlgorithm>,
) -> Result<Issued> {
    let principals = PrincipalRules {
        allowed: vec![PrincipalMatcher::Exact("alice".into())],
        default: vec![],
    };
    let role = Role {
        user: Some(CertTypeRules {
            principals,
            ..CertTypeRules::default()
        }),
        lifetime: LifetimeRules {
            default_ttl_secs: 3600,
            max_ttl_secs: 3600,
            backdate_secs: 30,
        },
        signature_algorithm,
        ..Role::default()
    };
    let request = Request {
        subject_key: GeneratedKey::generate(KeySpec::Ed25519)
            .await?
            .public_key()
            .clone(),
        cert_type: CertType::User,
        principals: Some(vec!["alice".into()]),
        validity: RequestedValidity::RoleDefault,
        key_id: RequestedKeyId::Default("alice@example.com".into()),
        critical_options: None,
        extensions: None,
    };
    let origin = Origin {
        family: "test",
        ..Origin::default()
    };
    let issuance = Issuance {
        authority,
        role: &role,
        request: &request,
        origin: &origin,
        id: None,
        keep_signature: false,
        in_service: None,
        details: BTreeMap::new(),
    };
    Ok(issue(services, issuance).await?)
}

/// Our verification, and OpenSSH's, which also names the algorithm.
fn check(issued: &Issued, ca_key: &PublicKey, algorithm: SignatureAlgorithm) -> Result<()> {
    let bytes = issued.certificate.bytes();
    let signature = issued.certificate.signature_blob();
    verify(ca_key, &bytes[..bytes.len() - signature.len() - 4], signature)?;
    let printed = decode_certificate(&issued.certificate.to_line())?;
    let signed_by = format!("{} (using {algorithm})", fingerprint(&ca_key.to_line())?);
    ensure!(printed.contains(&signed_by), "no {signed_by:?} in {printed}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_every_spec_is_made_signs_and_is_retired() -> Result<()> {
    let kms = Kms::start().await?;
    let services = services(kms.keyring()).await;
    for spec in KeySpec::ALL {
        let id = new_id()?;
        let (ca_key, custody) = services.keyring.create(&id, spec).await?;
        let Custody::Kms { key, managed: true } = custody.clone() else {
            anyhow::bail!("{spec:?}: {custody:?}");
        };
        let authority = authority(&id, &ca_key, custody);
        let default = authority.algorithm()?;
        check(
            &issue_for_alice(&services, &authority, None).await?,
            &ca_key,
            default,
        )?;
        if default == SignatureAlgorithm::RsaSha512 {
            let other = SignatureAlgorithm::RsaSha256;
            check(
                &issue_for_alice(&services, &authority, Some(other)).await?,
                &ca_key,
                other,
            )?;
        }

        let tags = kms.client.list_resource_tags().key_id(&key).send().await?;
        let mut tags: Vec<_> = tags
            .tags()
            .iter()
            .map(|tag| (tag.tag_key(), tag.tag_value()))
            .collect();
        tags.sort_unstable();
        assert_eq!(
            tags,
            [
                ("countersign:authority", id.as_str()),
                ("countersign:managed", "true")
            ]
        );

        services.keyring.retire(&authority).await?;
        assert_eq!(kms.state(&key).await?, KeyState::Disabled, "{spec:?}");
        let refused = issue_for_alice(&services, &authority, None).await;
        assert!(refused.is_err(), "{spec:?}: a disabled key signs");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_key_is_bound_by_any_of_its_names_and_left_alone_when_retired() -> Result<()> {
    let kms = Kms::start().await?;
    let services = services(kms.keyring()).await;
    let arn = kms
        .create_key(KmsKeySpec::EccNistP256, KeyUsageType::SignVerify)
        .await?;
    kms.client
        .create_alias()
        .alias_name("alias/ca")
        .target_key_id(&arn)
        .send()
        .await?;
    let key_id = arn.rsplit('/').next().context("a key id")?;
    for name in [&arn, key_id, "alias/ca"] {
        let (ca_key, custody) = services.keyring.bind(name).await?;
        assert_eq!(
            custody,
            Custody::Kms {
                key: arn.clone(),
                managed: false
            },
            "{name}"
        );
        let authority = authority(&new_id()?, &ca_key, custody);
        let algorithm = authority.algorithm()?;
        check(
            &issue_for_alice(&services, &authority, None).await?,
            &ca_key,
            algorithm,
        )?;
        services.keyring.retire(&authority).await?;
        assert_eq!(kms.state(&arn).await?, KeyState::Enabled);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_a_ca_is_not_bound() -> Result<()> {
    let kms = Kms::start().await?;
    let disabled = kms
        .create_key(KmsKeySpec::EccNistP256, KeyUsageType::SignVerify)
        .await?;
    kms.client.disable_key().key_id(&disabled).send().await?;
    let doomed = kms
        .create_key(KmsKeySpec::EccNistP256, KeyUsageType::SignVerify)
        .await?;
    kms.client.schedule_key_deletion().key_id(&doomed).send().await?;
    for (key, reason) in [
        (disabled, "its state is Disabled"),
        (doomed, "its state is PendingDeletion"),
        (kms.sealing_key.clone(), "its KeyUsage is ENCRYPT_DECRYPT"),
        (
            kms.create_key(KmsKeySpec::Rsa2048, KeyUsageType::EncryptDecrypt)
                .await?,
            "its KeyUsage is ENCRYPT_DECRYPT",
        ),
        (
            kms.create_key(KmsKeySpec::EccSecgP256K1, KeyUsageType::SignVerify)
                .await?,
            "OpenSSH has no keys of KeySpec ECC_SECG_P256K1",
        ),
        (
            kms.create_key(KmsKeySpec::Hmac256, KeyUsageType::GenerateVerifyMac)
                .await?,
            "its KeyUsage is GENERATE_VERIFY_MAC",
        ),
        ("alias/nothing".to_owned(), "it is not there"),
    ] {
        match kms.keyring().bind(&key).await {
            Err(SignerError::CannotSign(text)) => assert!(text.contains(reason), "{key}: {text}"),
            other => anyhow::bail!("{key}: {other:?}"),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_key_signs_after_a_restart_and_for_no_other_authority() -> Result<()> {
    let kms = Kms::start().await?;
    let directory = tempfile::tempdir()?;
    for key_type in KeyType::ALL {
        let file = make_key(directory.path(), &format!("{key_type:?}"), key_type)?;
        let private_key = parse_private_key(&fs::read_to_string(file.path())?)?;
        let id = new_id()?;
        let (ca_key, custody) = kms.keyring().import(&id, &private_key).await?;
        assert_eq!(ca_key, PublicKey::from_line(&file.public_line()?)?);

        let authority = authority(&id, &ca_key, custody);
        let restarted = services(kms.keyring()).await;
        let algorithm = authority.algorithm()?;
        check(
            &issue_for_alice(&restarted, &authority, None).await?,
            &ca_key,
            algorithm,
        )?;

        let renamed = Authority {
            id: new_id()?,
            ..authority
        };
        let refused = kms.keyring().signer(&renamed).await;
        assert!(
            matches!(refused, Err(SignerError::KeyUnusable(_))),
            "{key_type:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_opens_in_its_context_and_under_its_key_alone() -> Result<()> {
    let kms = Kms::start().await?;
    let sealed = kms.keyring().seal("token-secret", b"secret").await?;
    assert_eq!(**kms.keyring().open("token-secret", &sealed).await?, *b"secret");
    let elsewhere = kms.keyring().open("another", &sealed).await;
    assert!(matches!(elsewhere, Err(SignerError::KeyUnusable(_))));
    kms.client.disable_key().key_id(&kms.sealing_key).send().await?;
    let disabled = kms.keyring().open("token-secret", &sealed).await;
    assert!(matches!(disabled, Err(SignerError::KeyUnusable(_))));
    Ok(())
}
