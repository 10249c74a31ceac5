//! Making projects.

use crate::{
    algorithm::KeyAlgorithm,
    error::Problem,
    model::{Membership, Project, ProjectName, ProjectSlug},
    names,
    records::{Kept, Records, Stored},
};
use countersign::{
    Error,
    store::{Query, StoreError, Table, Write, contended},
};
use std::collections::BTreeMap;

/// A new project that is not stored yet.
pub(crate) fn draft(
    records: &Records,
    name: &str,
    slug: Option<String>,
    description: Option<String>,
) -> Result<Project, Error> {
    let id = records.uuid()?;
    // As the original's: the name with a few characters that make it unlike any other.
    let slug = slug.unwrap_or_else(|| {
        let suffix: String = id.chars().take(4).collect();
        format!("{}-{suffix}", names::slugify(name))
            .trim_start_matches('-')
            .to_owned()
    });
    let now = records.now();
    Ok(Project {
        id,
        name: name.to_owned(),
        slug,
        description,
        kind: "ssh".into(),
        key_algorithm: KeyAlgorithm::default(),
        groups: BTreeMap::new(),
        cas: Vec::new(),
        settings: None,
        created_at: now,
        updated_at: now,
    })
}

/// How often a slug is made up for a project where another project has it.
const SLUG_TRIES: usize = 8;

/// Stores a new project, and `more` with it.
///
/// # Errors
/// 400 where another project has its slug.
pub(crate) async fn store(records: &mut Records, project: &Project, more: &[Write]) -> Result<(), Problem> {
    let slug = ProjectSlug {
        slug: project.slug.clone(),
        project_id: project.id.clone(),
    };
    let mut writes = vec![slug.create()?, project.create()?];
    writes.extend_from_slice(more);
    match records.write(&writes).await {
        Err(StoreError::ConditionFailed(0)) => Err(Problem::bad_request(format!(
            "Project with slug '{}' already exists in the organization",
            project.slug
        ))),
        outcome => Ok(outcome?),
    }
}

/// The id of the project that a set-up document calls `name`; made, if it is not there. Two documents at the same time
/// make one project. One that somebody has made for themselves is none of the operator's, whatever its name: its maker
/// administers it, and would decide who gets into the hosts of the document.
pub(crate) async fn named(records: &mut Records, name: &str) -> Result<String, Problem> {
    for _ in 0..SLUG_TRIES {
        if let Some(known) = records.find::<ProjectName>(&ProjectName::key_of(name)).await? {
            return Ok(known.value.project_id);
        }
        let (id, made) = match without_members(records, name).await? {
            Some(id) => (id, None),
            None => {
                let made = draft(records, name, None, None)?;
                (made.id.clone(), Some(made))
            }
        };
        let mut writes = vec![
            ProjectName {
                name: name.to_owned(),
                project_id: id.clone(),
            }
            .create()?,
        ];
        if let Some(project) = made {
            let slug = ProjectSlug {
                slug: project.slug.clone(),
                project_id: id.clone(),
            };
            writes.extend([slug.create()?, project.create()?]);
        }
        match records.write(&writes).await {
            Ok(()) => return Ok(id),
            Err(StoreError::ConditionFailed(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(contended("the project").into())
}

/// The id of a project that has `name` and no members: it was made with a token of the account, and has not claimed its
/// name.
async fn without_members(records: &Records, name: &str) -> Result<Option<String>, Error> {
    let all: Vec<Kept<Project>> = records.list(Project::PARTITION).await?;
    for project in all.into_iter().filter(|project| project.value.name == name) {
        let any = Query {
            limit: 1,
            ..Query::partition(Table::Roles, Membership::partition(&project.value.id))
        };
        if records.services.store.query(&any).await?.is_empty() {
            return Ok(Some(project.value.id));
        }
    }
    Ok(None)
}
