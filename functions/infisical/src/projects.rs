//! Making projects.

use crate::{algorithm::KeyAlgorithm, model::Project, names, records::Records};
use countersign::Error;
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
