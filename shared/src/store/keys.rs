//! The key schema of the tables: the one definition from which the local server creates them and against which
//! the template is checked.

use super::Table;

/// The keys of one table. Every key attribute is a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSchema {
    /// Which table.
    pub table: Table,
    /// The last part of its name: `<prefix>-<suffix>`.
    pub suffix: &'static str,
    /// The listing index, as (name, partition attribute, sort attribute), projecting everything.
    pub index: Option<(&'static str, &'static str, &'static str)>,
}

/// The partition attribute of every table.
pub const PARTITION: &str = "pk";
/// The sort attribute of every table.
pub const SORT: &str = "sk";
/// The attribute that holds the time to live, in Unix seconds.
pub const EXPIRES_AT: &str = "expires_at";

/// All tables of a deployment.
pub const SCHEMA: [TableSchema; 3] = [
    TableSchema {
        table: Table::Access,
        suffix: "access",
        index: None,
    },
    TableSchema {
        table: Table::Certificates,
        suffix: "certificates",
        index: Some(("listing", "listing_pk", "listing_sk")),
    },
    TableSchema {
        table: Table::Roles,
        suffix: "roles",
        index: None,
    },
];
