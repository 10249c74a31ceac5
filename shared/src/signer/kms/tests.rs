use super::*;
use crate::{
    authority::{Authority, AuthorityId, AuthorityState, Custody, KeySpec},
    random::SystemRandomSource,
    signer::{InProcessSigner, Keyring, generate},
};
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// A KMS that answers what it is told, and remembers what it was asked.
struct Double {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Double {
    /// Answers each call of an action with the status and body that `answer` gives.
    fn answering(answer: impl Fn(&str, &Value) -> (u16, Value) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (action, body) = read_request(&mut stream);
                let (status, answer) = answer(&action, &body);
                heard.lock().unwrap().push((action, body));
                let answer = answer.to_string();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.1\r\nConnection: close\r\n\
                     Content-Length: {}\r\n\r\n{answer}",
                    answer.len()
                );
            }
        });
        Self { address, requests }
    }

    /// Refuses every call with the error `code`.
    fn refusing(status: u16, code: &'static str) -> Self {
        Self::answering(move |_, _| (status, json!({ "__type": code, "message": "told so" })))
    }

    /// Accepts connections and says nothing.
    fn silent() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || listener.incoming().collect::<Vec<_>>());
        Self {
            address,
            requests: Arc::default(),
        }
    }

    fn client(&self) -> Client {
        client_at(self.address)
    }

    fn keyring(&self) -> KmsKeyring {
        KmsKeyring::new(self.client(), "alias/sealing")
    }

    fn requests(&self) -> Vec<(String, Value)> {
        self.requests.lock().unwrap().clone()
    }

    fn actions(&self) -> Vec<String> {
        self.requests().into_iter().map(|(action, _)| action).collect()
    }
}

fn read_request(stream: &mut impl Read) -> (String, Value) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                head.lines().find_map(|line| {
                    let (key, value) = line.split_once(": ")?;
                    key.eq_ignore_ascii_case(name).then(|| value.to_owned())
                })
            };
            let len: usize = header("content-length").map_or(0, |len| len.parse().unwrap());
            if body.len() >= len {
                let action = header("x-amz-target").unwrap_or_default();
                return (
                    action.replace("TrentService.", ""),
                    serde_json::from_str(body).unwrap_or(Value::Null),
                );
            }
        }
        match stream.read(&mut buffer).unwrap() {
            0 => return Default::default(),
            len => bytes.extend_from_slice(&buffer[..len]),
        }
    }
}

fn client_at(address: SocketAddr) -> Client {
    let credentials = Credentials::new("test", "test", None, None, "test");
    client(
        aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(credentials)
            .endpoint_url(format!("http://{address}")),
    )
}

fn id() -> AuthorityId {
    AuthorityId::draw(1_800_000_000, &SystemRandomSource::default()).unwrap()
}

fn authority(key: &PublicKey, custody: Custody) -> Authority {
    Authority {
        id: id(),
        public_key: key.to_line(),
        custody,
        state: AuthorityState::Active,
        created_at: 0,
        description: String::new(),
        metadata: String::new(),
    }
}

fn tbs() -> TbsCertificate {
    let golden = crate::ssh::Certificate::from_line(include_str!("../../ssh/golden-cert.pub")).unwrap();
    TbsCertificate::encode(golden.fields().clone())
}

async fn sign(client: Client) -> Result<Vec<u8>, SignerError> {
    let signer = KmsSigner::new(client, "arn:key", PublicKey::ed25519([1; 32])).unwrap();
    signer.sign(&tbs(), SignatureAlgorithm::Ed25519).await
}

/// `sign`, and how long it took.
#[allow(clippy::disallowed_methods)] // a time-out is about the true clock
async fn timed(client: Client) -> (Result<Vec<u8>, SignerError>, Duration) {
    let started = std::time::Instant::now();
    let outcome = sign(client).await;
    (outcome, started.elapsed())
}

#[tokio::test]
async fn ed25519_sends_the_message_and_the_others_its_hash() {
    let double = Double::answering(|_, _| (200, json!({ "Signature": STANDARD.encode("signed") })));
    for (spec, name, hash) in [
        (KeySpec::Ed25519, "ED25519_SHA_512", None),
        (KeySpec::P256, "ECDSA_SHA_256", Some(&SHA256)),
        (KeySpec::P384, "ECDSA_SHA_384", Some(&SHA384)),
        (KeySpec::P521, "ECDSA_SHA_512", Some(&SHA512)),
        (KeySpec::Rsa2048, "RSASSA_PKCS1_V1_5_SHA_512", Some(&SHA512)),
    ] {
        let key = InProcessSigner::from_pkcs8(&generate(spec).await.unwrap())
            .unwrap()
            .public_key()
            .clone();
        let custody = Custody::Kms {
            key: "arn:key".into(),
            managed: false,
        };
        let signer = double.keyring().signer(&authority(&key, custody)).await.unwrap();
        assert_eq!(signer.sign(&tbs(), signer.algorithm()).await.unwrap(), b"signed");
        let message = match hash {
            None => tbs().bytes().to_vec(),
            Some(hash) => digest::digest(hash, tbs().bytes()).as_ref().to_vec(),
        };
        let expected = json!({
            "KeyId": "arn:key",
            "Message": STANDARD.encode(message),
            "MessageType": if hash.is_none() { "RAW" } else { "DIGEST" },
            "SigningAlgorithm": name,
        });
        assert_eq!(double.requests().last(), Some(&("Sign".to_owned(), expected)));
        assert_eq!(signer.message_limit(), hash.is_none().then_some(4096));
    }
    let ed25519 = KmsSigner::new(double.client(), "arn:key", PublicKey::ed25519([1; 32])).unwrap();
    let wrong = ed25519.sign(&tbs(), SignatureAlgorithm::RsaSha512).await;
    assert!(matches!(wrong, Err(SignerError::CannotSign(_))));
}

#[test]
fn an_ed25519_message_has_a_limit_and_a_hash_has_none() {
    assert!(message(&[0; 4096], SignatureAlgorithm::Ed25519).is_ok());
    assert!(matches!(
        message(&[0; 4097], SignatureAlgorithm::Ed25519),
        Err(SignerError::CannotSign(_))
    ));
    assert!(message(&[0; 100_000], SignatureAlgorithm::RsaSha256).is_ok());
}

#[tokio::test]
async fn failures_are_sorted_by_who_can_mend_them() {
    for (status, code) in [
        (400, "AccessDeniedException"),
        (400, "DisabledException"),
        (400, "InvalidKeyUsageException"),
        (400, "KMSInvalidStateException"),
        (400, "NotFoundException"),
        (400, "SomethingNewException"),
    ] {
        let outcome = sign(Double::refusing(status, code).client()).await;
        let Err(SignerError::KeyUnusable(cause)) = outcome else {
            panic!("{code}: {outcome:?}")
        };
        assert_eq!(
            cause.to_string(),
            format!("kms:Sign: {code}: told so (request without id)")
        );
    }
    for (status, code) in [
        (500, "KMSInternalException"),
        (500, "KeyUnavailableException"),
        (503, "Anything"),
    ] {
        let double = Double::refusing(status, code);
        let outcome = sign(double.client()).await;
        assert!(
            matches!(outcome, Err(SignerError::Unavailable(_))),
            "{code}: {outcome:?}"
        );
        assert_eq!(double.requests().len(), 3, "{code}: tried again");
    }
    // Whether that is tried again is the SDK's affair; another process has other credentials.
    let outcome = sign(Double::refusing(400, "ExpiredTokenException").client()).await;
    assert!(matches!(outcome, Err(SignerError::Unavailable(_))), "{outcome:?}");
    let outcome = sign(Double::refusing(400, "ThrottlingException").client()).await;
    assert!(matches!(outcome, Err(SignerError::Throttled)), "{outcome:?}");
    let outcome = sign(Double::answering(|_, _| (200, json!({}))).client()).await;
    assert!(matches!(outcome, Err(SignerError::Unavailable(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_kms_that_is_silent_or_gone_is_given_up_in_time() {
    let (outcome, took) = timed(Double::silent().client()).await;
    assert!(matches!(outcome, Err(SignerError::Unavailable(_))), "{outcome:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");

    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (outcome, took) = timed(client_at(gone)).await;
    assert!(matches!(outcome, Err(SignerError::Unavailable(_))), "{outcome:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_key_is_asked_for_once_even_if_the_answer_is_lost() {
    let double = Double::refusing(500, "KMSInternalException");
    let outcome = double.keyring().create(&id(), KeySpec::P256).await;
    assert!(matches!(outcome, Err(SignerError::Unavailable(_))));
    assert_eq!(double.actions(), ["CreateKey"]);
}

#[tokio::test]
async fn a_made_key_is_tagged_and_disabled_when_its_public_half_cannot_be_had() {
    let double = Double::answering(|action, _| match action {
        "CreateKey" => (200, json!({ "KeyMetadata": { "KeyId": "id", "Arn": "arn:new" } })),
        "GetPublicKey" => (200, json!({ "PublicKey": STANDARD.encode("no key") })),
        _ => (200, json!({})),
    });
    let id = id();
    let outcome = double.keyring().create(&id, KeySpec::P256).await;
    assert!(matches!(outcome, Err(SignerError::KeyUnusable(_))));
    let requests = double.requests();
    assert_eq!(
        requests[0].1,
        json!({
            "Description": format!("Countersign CA {id}"),
            "KeySpec": "ECC_NIST_P256",
            "KeyUsage": "SIGN_VERIFY",
            "Tags": [
                { "TagKey": "countersign:authority", "TagValue": id.as_str() },
                { "TagKey": "countersign:managed", "TagValue": "true" },
            ],
        })
    );
    assert_eq!(
        requests[2],
        ("DisableKey".to_owned(), json!({ "KeyId": "arn:new" }))
    );
}

/// A new key and its tags hold everywhere only after some moments.
#[tokio::test]
async fn a_new_key_that_is_not_known_everywhere_is_asked_for_again_and_not_for_ever() {
    async fn create(code: &'static str, refusals: usize) -> (bool, usize) {
        let spki = [
            &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..],
            &[7; 32],
        ]
        .concat();
        let asked = AtomicUsize::new(0);
        let double = Double::answering(move |action, _| match action {
            "CreateKey" => (200, json!({ "KeyMetadata": { "KeyId": "id", "Arn": "arn:new" } })),
            "GetPublicKey" if asked.fetch_add(1, Ordering::Relaxed) < refusals => {
                (400, json!({ "__type": code, "message": "not yet" }))
            }
            "GetPublicKey" => (200, json!({ "PublicKey": STANDARD.encode(&spki) })),
            _ => (200, json!({})),
        });
        let outcome = double.keyring().create(&id(), KeySpec::Ed25519).await;
        let actions = double.actions().into_iter();
        (
            outcome.is_ok(),
            actions.filter(|action| action == "GetPublicKey").count(),
        )
    }
    let outcomes = tokio::join!(
        create("AccessDeniedException", 2),
        create("NotFoundException", 2),
        create("AccessDeniedException", 100),
        create("DisabledException", 100),
    );
    assert_eq!(outcomes, ((true, 3), (true, 3), (false, 5), (false, 1)));
}

#[tokio::test]
async fn a_made_key_has_the_policy_of_the_deployment() {
    let double = Double::refusing(400, "LimitExceededException");
    let keyring = double.keyring().with_key_policy(Some("{}".into()));
    let outcome = keyring.create(&id(), KeySpec::Ed25519).await;
    assert!(matches!(outcome, Err(SignerError::KeyUnusable(_))), "{outcome:?}");
    let (_, request) = &double.requests()[0];
    assert_eq!(
        (&request["Policy"], &request["BypassPolicyLockoutSafetyCheck"]),
        (&json!("{}"), &json!(true))
    );
}

#[tokio::test]
async fn only_a_key_that_was_made_here_is_disabled() {
    let double = Double::answering(|_, _| (200, json!({})));
    let key = PublicKey::ed25519([1; 32]);
    for custody in [
        Custody::Kms {
            key: "arn:bound".into(),
            managed: false,
        },
        Custody::Sealed {
            sealed_key: String::new(),
        },
        Custody::Kms {
            key: "arn:made".into(),
            managed: true,
        },
    ] {
        double.keyring().retire(&authority(&key, custody)).await.unwrap();
    }
    assert_eq!(
        double.requests(),
        [("DisableKey".to_owned(), json!({ "KeyId": "arn:made" }))]
    );
}

/// What a key of `spec` would be described as, with one thing changed.
fn described(change: (&str, Value)) -> Value {
    let mut metadata = json!({
        "KeyId": "id",
        "Arn": "arn:key",
        "KeySpec": "RSA_2048",
        "KeyState": "Enabled",
        "KeyUsage": "SIGN_VERIFY",
        "SigningAlgorithms": ["RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_512"],
    });
    metadata[change.0] = change.1;
    json!({ "KeyMetadata": metadata })
}

#[tokio::test]
async fn a_key_that_cannot_be_a_ca_is_not_bound_and_its_fault_is_named() {
    for (field, value, reason) in [
        ("KeyUsage", "ENCRYPT_DECRYPT", "its KeyUsage is ENCRYPT_DECRYPT"),
        (
            "KeyUsage",
            "GENERATE_VERIFY_MAC",
            "its KeyUsage is GENERATE_VERIFY_MAC",
        ),
        (
            "KeySpec",
            "ECC_SECG_P256K1",
            "OpenSSH has no keys of KeySpec ECC_SECG_P256K1",
        ),
        ("KeySpec", "ML_DSA_44", "OpenSSH has no keys of KeySpec ML_DSA_44"),
        ("KeySpec", "ECC_NIST_P256", "it does not offer ECDSA_SHA_256"),
        ("KeyState", "Disabled", "its state is Disabled"),
        ("KeyState", "PendingDeletion", "its state is PendingDeletion"),
    ] {
        let double = Double::answering(move |_, _| (200, described((field, value.into()))));
        let outcome = double.keyring().bind("alias/ca").await;
        let Err(SignerError::CannotSign(text)) = outcome else {
            panic!("{field} {value}: {outcome:?}")
        };
        assert!(text.contains(reason), "{text}");
    }
    let unsigned = Double::answering(|_, _| {
        (
            200,
            described(("SigningAlgorithms", json!(["RSASSA_PKCS1_V1_5_SHA_512"]))),
        )
    });
    assert!(matches!(
        unsigned.keyring().bind("alias/ca").await,
        Err(SignerError::CannotSign(_))
    ));
    let missing = Double::refusing(400, "NotFoundException")
        .keyring()
        .bind("alias/ca")
        .await;
    assert!(matches!(missing, Err(SignerError::CannotSign(_))));
    let broken = Double::refusing(500, "KMSInternalException")
        .keyring()
        .bind("alias/ca")
        .await;
    assert!(matches!(broken, Err(SignerError::Unavailable(_))));
}

#[tokio::test]
async fn a_bound_key_must_have_the_public_key_of_its_spec() {
    // An Ed25519 key under the name of an RSA key.
    let spki = [
        &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..],
        &[7; 32],
    ]
    .concat();
    let double = Double::answering(move |action, _| match action {
        "DescribeKey" => (200, described(("Arn", "arn:key".into()))),
        _ => (200, json!({ "PublicKey": STANDARD.encode(&spki) })),
    });
    assert!(matches!(
        double.keyring().bind("alias/ca").await,
        Err(SignerError::KeyUnusable(_))
    ));
}

#[tokio::test]
async fn sealing_names_the_key_and_the_context() {
    let double = Double::answering(|action, body| match action {
        "Encrypt" => (200, json!({ "CiphertextBlob": body["Plaintext"] })),
        _ => (200, json!({ "Plaintext": body["CiphertextBlob"] })),
    });
    let keyring = double.keyring();
    let sealed = keyring.seal("token-secret", b"secret").await.unwrap();
    assert_eq!(**keyring.open("token-secret", &sealed).await.unwrap(), *b"secret");
    let context = json!({ "countersign:purpose": "secret", "countersign:context": "token-secret" });
    for (_, body) in double.requests() {
        assert_eq!(
            (&body["KeyId"], &body["EncryptionContext"]),
            (&"alias/sealing".into(), &context)
        );
    }
    assert!(matches!(
        keyring.seal("a", &[0; 4097]).await,
        Err(SignerError::CannotSign(_))
    ));
}

#[tokio::test]
async fn a_sealed_key_is_opened_once_for_its_own_authority() {
    let double = Double::answering(|action, body| match action {
        "Encrypt" => (200, json!({ "CiphertextBlob": body["Plaintext"] })),
        _ => (200, json!({ "Plaintext": body["CiphertextBlob"] })),
    });
    let keyring = double.keyring();
    let key = generate(KeySpec::P256).await.unwrap();
    let id = id();
    let (public_key, custody) = keyring.import(&id, &key).await.unwrap();
    let authority = Authority {
        id: id.clone(),
        ..authority(&public_key, custody)
    };
    for _ in 0..2 {
        let signer = keyring.signer(&authority).await.unwrap();
        assert_eq!(*signer.public_key(), public_key);
    }
    assert_eq!(double.actions(), ["Encrypt", "Decrypt"]);
    let context = json!({ "countersign:purpose": "authority-key", "countersign:authority": id.as_str() });
    assert_eq!(double.requests()[1].1["EncryptionContext"], context);

    let large = crate::signer::Pkcs8Key::new(vec![0; 4097]);
    assert!(matches!(
        keyring.import(&id, &large).await,
        Err(SignerError::CannotSign(_))
    ));
}
