//! Removing a CA, which takes along what depends on it.

use crate::{
    error::Problem,
    hosts,
    model::{Ca, Project, Template, TemplateName},
    records::{Kept, Records, Stored},
};
use countersign::{
    Error, authority_use, retirement,
    store::{Condition, StoreError, TRIES, Write, contended},
};

/// Removes a CA: first the authority's service, after which nothing can be signed, unless a mount or a certificate of
/// another family needs it still; then the hosts and templates that use it; its own record last, so that a removal that
/// dies half-way can be repeated. What it signed stays listed.
pub(crate) async fn ca(records: &mut Records, ca: &Kept<Ca>) -> Result<(), Problem> {
    let own_use = ca.value.use_id();
    retirement::retire_after_use(&records.services, &ca.value.authority, Some(&own_use)).await?;
    for host in hosts::of_project(records, &ca.value.project_id).await? {
        if host.value.user_ca.id == ca.value.id || host.value.host_ca.id == ca.value.id {
            hosts::delete(records, &host).await?;
        }
    }
    for template in templates_of(records, &ca.value).await? {
        let name = TemplateName::of(&template.value).key();
        let writes = [template.delete(), Write::Delete(name, Condition::Always)];
        records.write(&writes).await?;
    }
    leave_project(records, ca).await
}

/// The templates of a CA.
pub(crate) async fn templates_of(records: &mut Records, ca: &Ca) -> Result<Vec<Kept<Template>>, Error> {
    let names: Vec<Kept<TemplateName>> = records.list(TemplateName::partition(&ca.project_id)).await?;
    let keys: Vec<_> = names
        .iter()
        .filter(|name| name.value.ca_id == ca.id)
        .map(|name| Template::key_of(&name.value.template_id))
        .collect();
    records.find_all(&keys).await
}

/// Takes the CA out of its project, and with it the settings where it is a default.
async fn leave_project(records: &mut Records, ca: &Kept<Ca>) -> Result<(), Problem> {
    for _ in 0..TRIES {
        let key = Project::key_of(&ca.value.project_id);
        let mut writes = vec![
            Write::Delete(ca.value.key(), Condition::Always),
            authority_use::end(&ca.value.authority, &ca.value.use_id()),
        ];
        if let Some(kept) = records.find::<Project>(&key).await? {
            let mut project = kept.value.clone();
            project.cas.retain(|id| *id != ca.value.id);
            let is_default = project.settings.as_ref().is_some_and(|settings| {
                [&settings.user_ca, &settings.host_ca].contains(&&Some(ca.value.id.clone()))
            });
            if is_default {
                project.settings = None;
            }
            project.updated_at = records.now();
            writes.push(kept.replace(&project)?);
        }
        match records.write(&writes).await {
            Err(StoreError::ConditionFailed(_)) => {}
            outcome => return Ok(outcome?),
        }
    }
    Err(contended("the project").into())
}
