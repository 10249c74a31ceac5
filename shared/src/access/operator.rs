use super::{authenticate::Caller, lookup::Stored, token::Token};
use crate::{
    acl::{Acl, Policy, ROOT_POLICY_NAME},
    error::Error,
    services::Services,
    store::Record,
};
use std::sync::Arc;

impl Caller {
    /// The operator: whoever runs a program on the tables of a deployment with credentials of their own, and so could
    /// write there whatever they liked. It may do everything; its token is nowhere stored and has no secret, and what
    /// it makes are orphans.
    ///
    /// A router takes it from the extensions of a request, where only its own process can put it.
    ///
    /// # Errors
    /// `Internal` where a token has no JSON form.
    pub fn operator(services: &Services, name: &str) -> Result<Self, Error> {
        let token = Token {
            display_name: name.into(),
            policies: vec![ROOT_POLICY_NAME.into()],
            path: "operator".into(),
            created_at: services.clock.now(),
            ..Token::default()
        };
        let record = Record::new(Token::key(&token.hash), &token)?;
        Ok(Self::new(
            Stored { token, record },
            Arc::new(Acl::new(&[&Policy::root()])),
        ))
    }
}

impl Token {
    /// Whether it is an operator's, which stands in no table.
    pub(super) fn is_operators(&self) -> bool {
        self.hash.is_empty()
    }
}
