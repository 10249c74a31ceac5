//! The two texts that every resource carries.

use crate::{error::Failure, resource::Resource};

/// The most bytes of a description.
const MAX_DESCRIPTION_BYTES: usize = 255;
/// The most bytes of metadata.
const MAX_METADATA_BYTES: usize = 4096;

/// Description and metadata as given: `None` where the request is silent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) description: Option<String>,
    pub(crate) metadata: Option<String>,
}

impl Texts {
    /// Checks the lengths, in bytes.
    pub(crate) fn parse(
        description: Option<String>,
        metadata: Option<String>,
        resource: Resource,
    ) -> Result<Self, Failure> {
        let (description_code, metadata_code) = resource.too_long_codes();
        check(
            "description",
            description.as_deref(),
            MAX_DESCRIPTION_BYTES,
            description_code,
        )?;
        check("metadata", metadata.as_deref(), MAX_METADATA_BYTES, metadata_code)?;
        Ok(Self {
            description,
            metadata,
        })
    }
}

fn check(name: &str, text: Option<&str>, max_bytes: usize, code: u16) -> Result<(), Failure> {
    match text.map_or(0, str::len) {
        bytes if bytes > max_bytes => Err(Failure::invalid(
            code,
            format!("The {name} must not be longer than {max_bytes} bytes; this one has {bytes}."),
        )),
        _ => Ok(()),
    }
}
