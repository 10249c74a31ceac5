//! What to do next, for whoever runs the local server and is refused: a line on the terminal. The answers themselves
//! keep the words of the real products, which their clients know.

use countersign::audit::{AuditLog, Decision, StderrLog};
use std::{collections::BTreeSet, io::Write, sync::Mutex};

/// A refusal that a newcomer meets, and what then helps.
struct Advice {
    applies: fn(&Decision) -> bool,
    text: &'static str,
}

fn reason_has(decision: &Decision, text: &str) -> bool {
    decision
        .reason
        .as_ref()
        .is_some_and(|reason| reason.contains(text))
}

const ADVICE: [Advice; 10] = [
    Advice {
        applies: |decision| decision.outcome == "unauthenticated",
        text: "a request came without a token that is known here: send the root token, or one that `countersign token \
               create` makes (X-Vault-Token, or Authorization: Bearer)",
    },
    Advice {
        applies: |decision| decision.outcome == "permission_denied",
        text: "a token's policies do not allow what it asked for: its line in the log says what that was; a policy \
               with that path (`countersign policy write`) allows it",
    },
    Advice {
        applies: |decision| {
            reason_has(decision, "no keys configured")
                || reason_has(decision, "keys haven't been configured yet")
        },
        text: "the mount has no CA key yet: vault write ssh/config/ca generate_signing_key=true key_type=ed25519",
    },
    Advice {
        applies: |decision| reason_has(decision, "Unknown role"),
        text: "there is no such role: vault write ssh/roles/NAME key_type=ca allow_user_certificates=true \
               allowed_users=USER",
    },
    Advice {
        applies: |decision| {
            matches!(
                decision.rule,
                Some("principal_not_allowed" | "principals_not_configured")
            )
        },
        text: "the role does not allow this principal: name it in the role (Vault: allowed_users or allowed_domains; \
               Venafi: AllowedPrincipalsPatterns; Infisical: the host's login mappings)",
    },
    Advice {
        applies: |decision| decision.rule == Some("principals") && decision.principals.is_empty(),
        text: "a certificate needs a principal: name one in the request (Vault: valid_principals), or in the role \
               (Vault: default_user)",
    },
    Advice {
        applies: |decision| decision.rule == Some("cert_type_not_allowed"),
        text: "the role does not allow certificates of this type: allow it in the role (Vault: \
               allow_user_certificates or allow_host_certificates, and cert_type in the request)",
    },
    Advice {
        applies: |decision| {
            reason_has(decision, "an RSA key needs") || decision.rule == Some("subject_key_size")
        },
        text: "the key has a size that is not taken: ssh-keygen -t ed25519 makes one that is, unless the role lists others",
    },
    Advice {
        applies: |decision| decision.family == "venafi" && reason_has(decision, "template was not found"),
        text: "there is no such template: `countersign venafi template create` makes one",
    },
    Advice {
        applies: |decision| decision.family == "ngrok" && reason_has(decision, "authority does not exist"),
        text: "there is no such certificate authority: POST /ssh_certificate_authorities makes one",
    },
];

/// Writes decisions as every function does, and after a family's first refusal of a kind says what to do next.
#[derive(Default)]
pub(crate) struct AdvisingLog {
    /// To whose callers, and what.
    given: Mutex<BTreeSet<(String, &'static str)>>,
}

impl AdvisingLog {
    /// What helps, where it was not said before to the callers of the same family.
    fn advice(&self, decision: &Decision) -> Option<&'static str> {
        let advice = ADVICE.iter().find(|advice| (advice.applies)(decision))?.text;
        let mut given = countersign::lock(&self.given);
        given.insert((decision.family.clone(), advice)).then_some(advice)
    }
}

impl AuditLog for AdvisingLog {
    fn record(&self, decision: &Decision) {
        StderrLog.record(decision);
        if let Some(advice) = self.advice(decision) {
            // What is not a command is a comment here, as in the text of the start.
            let _ = writeln!(std::io::stdout().lock(), "# Refused: {advice}");
        }
    }
}
