//! The CAs of a project: making them, and the two that new hosts get.

use crate::{
    algorithm::{KeyAlgorithm, SubjectKey},
    error::Problem,
    model::{Ca, CaRef, KeySource, Project, SshSettings, Status},
    records::{Kept, Records, Stored},
};
use countersign::{
    Error,
    authority::{self, Authority, AuthorityState},
    signer::{InProcessSigner, Signer, private_key::parse_private_key},
    store::{StoreError, TRIES, contended},
};

/// A CA whose authority is in service, but which no project has yet.
pub(crate) struct Draft {
    pub(crate) ca: Ca,
    pub(crate) authority: Authority,
}

impl Draft {
    /// A CA with a key that is made here.
    pub(crate) async fn internal(
        records: &Records,
        project_id: &str,
        friendly_name: &str,
        algorithm: KeyAlgorithm,
    ) -> Result<Self, Problem> {
        let source = authority::KeySource::New(algorithm.spec());
        let description = description(project_id, friendly_name);
        let authority = authority::enrol(&records.services, source, description).await?;
        let ca = ca(records, project_id, friendly_name, &authority, algorithm)?;
        Ok(Self { ca, authority })
    }

    /// A CA with a key from outside.
    pub(crate) async fn external(
        records: &Records,
        project_id: &str,
        friendly_name: &str,
        public_key: &str,
        private_key: &str,
    ) -> Result<Self, Problem> {
        let given = SubjectKey::parse(public_key)?;
        let unparsable =
            || Problem::bad_request("Failed to validate SSH private key format: could not be parsed.");
        let text = private_key
            .replace("\\n", "\n")
            .replace("\r\n", "\n")
            .replace('\r', "\n");
        let pkcs8 = parse_private_key(&format!("{text}\n")).map_err(|_| unparsable())?;
        let pair = InProcessSigner::from_pkcs8(&pkcs8).map_err(|_| unparsable())?;
        if *pair.public_key() != given.key {
            return Err(Problem::bad_request(
                "Failed to validate matching SSH key pair: The provided public key does not match the public key \
                 derived from the private key.",
            ));
        }
        let algorithm = KeyAlgorithm::of(pair.public_key()).ok_or_else(unparsable)?;
        let source = authority::KeySource::Import(pkcs8);
        let description = description(project_id, friendly_name);
        let authority = authority::enrol(&records.services, source, description).await?;
        let mut ca = ca(records, project_id, friendly_name, &authority, algorithm)?;
        ca.key_source = KeySource::External;
        Ok(Self { ca, authority })
    }

    /// Takes the authority out of service again, since no project will have it.
    async fn abandon(&self, records: &Records) {
        // Where that fails too, an authority is left over that nothing leads to.
        let _ = authority::retire(&records.services, &self.authority.id).await;
    }
}

fn description(project_id: &str, friendly_name: &str) -> String {
    format!("Infisical project {project_id}: {friendly_name}")
}

fn ca(
    records: &Records,
    project_id: &str,
    friendly_name: &str,
    authority: &Authority,
    key_algorithm: KeyAlgorithm,
) -> Result<Ca, Error> {
    Ok(Ca {
        id: records.uuid()?,
        project_id: project_id.to_owned(),
        friendly_name: friendly_name.to_owned(),
        status: Status::Active,
        key_algorithm,
        key_source: KeySource::Internal,
        authority: authority.id.clone(),
        updated_at: records.now(),
    })
}

/// Stores a new CA of the project with `project_id`.
pub(crate) async fn add(records: &mut Records, project_id: &str, draft: Draft) -> Result<Draft, Problem> {
    store(records, project_id, std::slice::from_ref(&draft), |_| true).await?;
    Ok(draft)
}

/// Stores new CAs of a project together with a change of it; gives the project as it is then. `change` says whether
/// they are wanted still; where they are not, nothing is stored, and their authorities are taken out of service.
async fn store(
    records: &mut Records,
    project_id: &str,
    drafts: &[Draft],
    change: impl Fn(&mut Project) -> bool,
) -> Result<Project, Problem> {
    for _ in 0..TRIES {
        let Some(kept) = records.find::<Project>(&Project::key_of(project_id)).await? else {
            abandon(records, drafts).await;
            return Err(no_project(project_id));
        };
        let mut project = kept.value.clone();
        if !change(&mut project) {
            abandon(records, drafts).await;
            return Ok(kept.value);
        }
        project.cas.extend(drafts.iter().map(|draft| draft.ca.id.clone()));
        project.updated_at = records.now();
        let mut writes = vec![kept.replace(&project)?];
        for draft in drafts {
            writes.push(draft.ca.create()?);
            // Read again each time: an authority of the account can be changed, or retired, through other families.
            let found = Authority::read(&*records.services.store, &draft.authority.id).await?;
            let (authority, stored) = found.ok_or_else(|| Error::internal("a new authority is not there"))?;
            if authority.state == AuthorityState::Retired {
                abandon(records, drafts).await;
                return Err(Error::Conflict("the new CA was retired meanwhile; try again".into()).into());
            }
            writes.extend(
                draft
                    .ca
                    .authority_use(&project)
                    .of_existing(&authority, &stored)?,
            );
        }
        match records.write(&writes).await {
            Ok(()) => return Ok(project),
            Err(StoreError::ConditionFailed(_)) => {}
            // It may have been stored although the answer was lost, so the authorities stay in service.
            Err(error) => return Err(error.into()),
        }
    }
    abandon(records, drafts).await;
    Err(contended("the project").into())
}

async fn abandon(records: &Records, drafts: &[Draft]) {
    for draft in drafts {
        draft.abandon(records).await;
    }
}

fn no_project(project_id: &str) -> Problem {
    Problem::not_found(format!("Project with {project_id} not found"))
}

/// Gives a project without settings its two CAs.
pub(crate) async fn ensure_settings(
    records: &mut Records,
    project: Kept<Project>,
) -> Result<Project, Problem> {
    if project.value.settings.is_some() {
        return Ok(project.value);
    }
    let project_id = project.value.id;
    let algorithm = KeyAlgorithm::Ed25519;
    let user_ca = Draft::internal(records, &project_id, "User CA", algorithm).await?;
    let host_ca = match Draft::internal(records, &project_id, "Host CA", algorithm).await {
        Ok(draft) => draft,
        Err(problem) => {
            user_ca.abandon(records).await;
            return Err(problem);
        }
    };
    let settings = SshSettings {
        id: records.uuid()?,
        user_ca: Some(user_ca.ca.id.clone()),
        host_ca: Some(host_ca.ca.id.clone()),
        created_at: records.now(),
        updated_at: records.now(),
    };
    store(records, &project_id, &[user_ca, host_ca], |project| {
        // Somebody else may have been quicker.
        let is_first = project.settings.is_none();
        project.settings.get_or_insert_with(|| settings.clone());
        is_first
    })
    .await
}

/// Which of its two duties a CA is chosen for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Duty {
    Host,
    User,
}

impl Duty {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Host => "Host",
            Self::User => "User",
        }
    }

    fn default_of(self, project: &Project) -> Option<&String> {
        let settings = project.settings.as_ref()?;
        match self {
            Self::Host => settings.host_ca.as_ref(),
            Self::User => settings.user_ca.as_ref(),
        }
    }
}

/// The CA of `project` for this duty: the one asked for, or the project's default.
pub(crate) async fn choose(
    records: &mut Records,
    project: &Project,
    duty: Duty,
    asked: Option<&str>,
) -> Result<CaRef, Problem> {
    let default = duty.default_of(project).map(String::as_str);
    let Some(id) = asked.or(default) else {
        let name = duty.name().to_ascii_lowercase();
        return Err(Problem::bad_request(format!("Missing {name} SSH CA")));
    };
    let ca = records.find::<Ca>(&Ca::key_of(id)).await?;
    match ca.filter(|ca| ca.value.project_id == project.id) {
        Some(ca) => Ok(CaRef {
            id: ca.value.id,
            authority: ca.value.authority,
        }),
        None => Err(Problem::bad_request(format!(
            "{} SSH CA with ID '{id}' not found in project '{}'",
            duty.name(),
            project.id
        ))),
    }
}
