//! What a caller is in a project, and may therefore do there.

use crate::{
    auth::Actor,
    error::Problem,
    model::{Membership, Project},
    permission::{Action, ProjectRole, Subject},
    records::Kept,
    request::Call,
};
use countersign::acl::Capability;

/// A project, and what the caller is in it.
pub(crate) struct Standing {
    pub(crate) project: Kept<Project>,
    /// `None` for the holder of an account's token, whose policies have been asked.
    roles: Option<Vec<ProjectRole>>,
}

impl Standing {
    /// Whether the caller may do `action` to `subject`.
    pub(crate) fn may(&self, action: Action, subject: Subject) -> bool {
        match &self.roles {
            None => true,
            Some(roles) => roles.iter().any(|role| role.allows(action, subject)),
        }
    }

    /// Refuses what the caller may not do.
    pub(crate) fn require(&self, action: Action, subject: Subject) -> Result<(), Problem> {
        if self.may(action, subject) {
            Ok(())
        } else {
            Err(Problem::permission_denied(action.name(), subject.name()))
        }
    }
}

impl Call {
    /// What `actor` is in the project with `project_id`.
    ///
    /// # Errors
    /// 404 where there is no such project, 400 where it is of another kind, 403 where the caller is not in it.
    pub(crate) async fn standing(&mut self, actor: &Actor, project_id: &str) -> Result<Standing, Problem> {
        let project_key = Project::key_of(project_id);
        let member_key = actor
            .member()
            .map(|(kind, id)| (kind, Membership::key_of(project_id, kind, id)));
        let keys = member_key.iter().map(|(_, key)| key.clone());
        self.records.load(keys.chain([project_key.clone()])).await?;
        let project = self.records.find::<Project>(&project_key).await?;
        let project =
            project.ok_or_else(|| Problem::not_found(format!("Project with {project_id} not found")))?;
        if project.value.kind != "ssh" {
            return Err(Problem::bad_request(format!(
                "The project is of type {}. Operations of type ssh are not allowed.",
                project.value.kind
            )));
        }
        let Some((kind, member_key)) = member_key else {
            return Ok(Standing { project, roles: None });
        };
        let own = self.records.find::<Membership>(&member_key).await?;
        let of_groups = actor
            .groups()
            .iter()
            .filter_map(|slug| project.value.groups.get(slug).copied());
        let roles: Vec<ProjectRole> = own
            .map(|membership| membership.value.role)
            .into_iter()
            .chain(of_groups)
            .collect();
        if roles.is_empty() {
            return Err(Problem::not_a_member(project_id, kind.name()));
        }
        Ok(Standing {
            project,
            roles: Some(roles),
        })
    }

    /// The same, for a project that stands in the body: the policies of an account's token are asked about the
    /// project's own path too.
    pub(crate) async fn standing_in_target(
        &mut self,
        actor: &Actor,
        project_id: &str,
    ) -> Result<Standing, Problem> {
        let standing = self.standing(actor, project_id).await?;
        check_target(actor, &format!("api/v1/projects/{project_id}"))?;
        Ok(standing)
    }
}

/// Asks the policies of an account's token whether it may use what lies at `path`.
pub(crate) fn check_target(actor: &Actor, path: &str) -> Result<(), Problem> {
    match actor {
        Actor::Account(caller) => Ok(caller.require(path, Capability::Update)?),
        Actor::Identity(_) | Actor::User(..) => Ok(()),
    }
}
