//! Bodies as this API spells them.

mod answers;
mod requests;

pub(crate) use answers::{
    AccessControl, ApiClient, ApiKey, CaKeyPair, CertificateAnswer, CertificateDetails, CertificateRules,
    Identities, Identity, OauthFailure, Ping, ProcessingDetails, RequestDetails, Status, TemplateAnswer,
    TemplateName, TemplateType, TokenAnswer, Verification, WebFailure, WebResponse,
};
pub(crate) use requests::{
    AccessControlInput, ApiClientInput, ApiKeyRequest, CaKeyPairInput, CertificateRequest,
    CertificateRulesInput, Nothing, OauthRequest, RefreshRequest, Retrieval, TemplateCreation,
    TemplateDeletion, TemplateRetrieval, TemplateUpdate,
};
