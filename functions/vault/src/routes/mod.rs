//! Every path of this family, one file for each resource. A path that is not in [`TABLE`] does not exist.

use crate::api::Route;

/// All rows. Where several fit, the first one answers.
pub(crate) const TABLE: &[&[Route]] = &[];
