//! The tables' names and their creation.

use super::super::{EXPIRES_AT, PARTITION, SCHEMA, SORT, StoreError, Table, TableSchema};
use super::failure;
use aws_sdk_dynamodb::{
    Client,
    error::{BuildError, SdkError},
    operation::create_table::builders::CreateTableFluentBuilder,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
        ProjectionType, ScalarAttributeType, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
    },
};
use std::time::Duration;

/// A new table is usable within seconds; half a minute means that something is wrong.
const LOOKS: u32 = 60;
const PAUSE: Duration = Duration::from_millis(500);

/// What the three tables of a deployment are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableNames {
    access: String,
    certificates: String,
    roles: String,
}

impl TableNames {
    /// The names `<prefix>-<suffix>`, with the suffixes of [`SCHEMA`].
    pub fn with_prefix(prefix: &str) -> Self {
        let name = |table| {
            let suffix = SCHEMA
                .iter()
                .find(|schema| schema.table == table)
                .map(|schema| schema.suffix);
            format!("{prefix}-{}", suffix.expect("every table stands in the schema"))
        };
        Self {
            access: name(Table::Access),
            certificates: name(Table::Certificates),
            roles: name(Table::Roles),
        }
    }

    /// The name of `table`.
    pub fn of(&self, table: Table) -> &str {
        match table {
            Table::Access => &self.access,
            Table::Certificates => &self.certificates,
            Table::Roles => &self.roles,
        }
    }

    /// The table called `name`.
    pub(super) fn table(&self, name: &str) -> Option<Table> {
        [Table::Access, Table::Certificates, Table::Roles]
            .into_iter()
            .find(|table| self.of(*table) == name)
    }
}

/// Creates those tables of `names` that are not there yet, and waits until all can be used.
///
/// For local mode, the tests and emulators: a deployment's tables come from its template.
///
/// # Errors
/// Any [`StoreError`] but `ConditionFailed`.
pub async fn create_tables(client: &Client, names: &TableNames) -> Result<(), StoreError> {
    for schema in &SCHEMA {
        let name = names.of(schema.table);
        create(client, name, schema).await?;
        until_active(client, name).await?;
        set_time_to_live(client, name).await?;
    }
    Ok(())
}

async fn create(client: &Client, name: &str, schema: &TableSchema) -> Result<(), StoreError> {
    let request = describe(client.create_table().table_name(name), schema).map_err(failure::unusable)?;
    match request.send().await {
        Ok(_) => Ok(()),
        Err(SdkError::ServiceError(error)) if error.err().is_resource_in_use_exception() => Ok(()),
        Err(error) => Err(failure::of("CreateTable", &error)),
    }
}

fn describe(
    request: CreateTableFluentBuilder,
    schema: &TableSchema,
) -> Result<CreateTableFluentBuilder, BuildError> {
    let request = request
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(string(PARTITION)?)
        .attribute_definitions(string(SORT)?)
        .key_schema(element(PARTITION, KeyType::Hash)?)
        .key_schema(element(SORT, KeyType::Range)?);
    let Some((index, partition, sort)) = schema.index else {
        return Ok(request);
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name(index)
        .key_schema(element(partition, KeyType::Hash)?)
        .key_schema(element(sort, KeyType::Range)?)
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()?;
    Ok(request
        .attribute_definitions(string(partition)?)
        .attribute_definitions(string(sort)?)
        .global_secondary_indexes(index))
}

fn string(attribute: &str) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder()
        .attribute_name(attribute)
        .attribute_type(ScalarAttributeType::S)
        .build()
}

fn element(attribute: &str, key_type: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder()
        .attribute_name(attribute)
        .key_type(key_type)
        .build()
}

async fn until_active(client: &Client, name: &str) -> Result<(), StoreError> {
    for look in 0..LOOKS {
        if look > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let answer = client.describe_table().table_name(name).send().await;
        let answer = match answer {
            // Right after its creation a table may not be known everywhere.
            Err(SdkError::ServiceError(error)) if error.err().is_resource_not_found_exception() => continue,
            answer => answer.map_err(|error| failure::of("DescribeTable", &error))?,
        };
        if answer.table.and_then(|table| table.table_status) == Some(TableStatus::Active) {
            return Ok(());
        }
    }
    Err(StoreError::Unavailable(
        format!("the table {name} does not become active").into(),
    ))
}

async fn set_time_to_live(client: &Client, name: &str) -> Result<(), StoreError> {
    let answer = client.describe_time_to_live().table_name(name).send().await;
    let answer = answer.map_err(|error| failure::of("DescribeTimeToLive", &error))?;
    let status = answer
        .time_to_live_description
        .and_then(|description| description.time_to_live_status);
    if matches!(
        status,
        Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
    ) {
        return Ok(());
    }
    let specification = TimeToLiveSpecification::builder()
        .attribute_name(EXPIRES_AT)
        .enabled(true)
        .build();
    client
        .update_time_to_live()
        .table_name(name)
        .time_to_live_specification(specification.map_err(failure::unusable)?)
        .send()
        .await
        .map(drop)
        .map_err(|error| failure::of("UpdateTimeToLive", &error))
}
