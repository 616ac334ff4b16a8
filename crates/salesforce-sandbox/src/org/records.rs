//! The records that clients can read but not write: users, profiles, queues, and the organization itself.
//!
//! They are made from the configuration when the org starts and never change: the users with their profiles, the
//! queues, and the owners that rules give or that are configured by their ids, so that the ids in a lead's owner and
//! audit fields lead somewhere.
use std::collections::HashMap;

use super::id;
use super::users::{User, Users};
use crate::config::OrgConfig;
use crate::rules::Owners;
use crate::schema::{FieldType, ObjectKind, ReadOnlySchemas, Schema};
use crate::value::Value;

/// The records of one object; each holds a value for each field, by number.
#[derive(Debug, Default)]
pub(crate) struct Table {
    records: Vec<Vec<Value<'static>>>,
    /// By the first 15 characters of the id.
    by_id: HashMap<String, u32>,
}

impl Table {
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.records.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn get(&self, place: u32) -> Option<&[Value<'static>]> {
        self.records.get(place as usize).map(Vec::as_slice)
    }

    /// The place of the record with this id, 15 or 18 characters.
    pub(crate) fn find(&self, id: &str) -> Option<u32> {
        if !id::is_well_formed(id) {
            return None;
        }
        self.by_id.get(id::fifteen(id)).copied()
    }

    /// Adds a record unless its id is taken; values that are not given are null, or false.
    fn add(&mut self, schema: &Schema, id: &str, values: &[(&str, Value<'static>)]) {
        let key = id::fifteen(id).to_owned();
        if self.by_id.contains_key(&key) {
            return;
        }
        let mut record: Vec<Value<'static>> = schema
            .fields()
            .map(|(_, field)| match field.kind {
                FieldType::Id => Value::Text(id.to_owned().into()),
                FieldType::Boolean => Value::Boolean(false),
                _ => Value::Null,
            })
            .collect();
        for (name, value) in values {
            let number = schema.standard(name).map(usize::from);
            if let Some(place) = number.and_then(|number| record.get_mut(number)) {
                *place = value.clone();
            }
        }
        self.by_id.insert(key, self.len());
        self.records.push(record);
    }
}

/// All records that are read only.
#[derive(Debug, Default)]
pub(crate) struct Records {
    users: Table,
    profiles: Table,
    organizations: Table,
    groups: Table,
    names: Table,
}

impl Records {
    /// `started_micros`: when the org began, since 1970-01-01 UTC; every record is as old.
    pub(crate) fn new(
        config: &OrgConfig,
        users: &Users,
        schemas: &ReadOnlySchemas,
        started_micros: i64,
    ) -> Records {
        let mut builder = Builder {
            schemas,
            started: Value::DateTime(started_micros.div_euclid(1000)),
            records: Records::default(),
        };
        for (number, user) in users.iter().enumerate() {
            let profile = id::profile(users.profile_number(&user.profile));
            builder.user(&id::user(number), user, &profile);
        }
        for (number, name) in config.queues.iter().enumerate() {
            builder.queue(&id::group(number), name);
        }
        for (owner, active) in Owners::unnamed(config) {
            if owner.starts_with("005") {
                let profile = id::profile(users.profile_number("Standard User"));
                builder.user(&owner, &unnamed_owner(active), &profile);
            } else if owner.starts_with("00G") {
                builder.queue(&owner, "Assigned Leads");
            }
        }
        builder.organization(config);
        builder.records
    }

    /// None for Lead, which has a store of its own.
    pub(crate) fn table(&self, object: ObjectKind) -> Option<&Table> {
        match object {
            ObjectKind::Lead => None,
            ObjectKind::User => Some(&self.users),
            ObjectKind::Profile => Some(&self.profiles),
            ObjectKind::Organization => Some(&self.organizations),
            ObjectKind::Group => Some(&self.groups),
            ObjectKind::Name => Some(&self.names),
        }
    }
}

struct Builder<'s> {
    schemas: &'s ReadOnlySchemas,
    started: Value<'static>,
    records: Records,
}

impl Builder<'_> {
    fn add(&mut self, object: ObjectKind, id: &str, values: &[(&str, Value<'static>)]) {
        let Some(schema) = self.schemas.schema(object) else {
            return;
        };
        let mut all = vec![
            ("CreatedDate", self.started.clone()),
            ("LastModifiedDate", self.started.clone()),
            ("SystemModstamp", self.started.clone()),
            ("CreatedById", text(&id::user(0))),
            ("LastModifiedById", text(&id::user(0))),
        ];
        all.extend_from_slice(values);
        let table = match object {
            ObjectKind::User => &mut self.records.users,
            ObjectKind::Profile => &mut self.records.profiles,
            ObjectKind::Organization => &mut self.records.organizations,
            ObjectKind::Group => &mut self.records.groups,
            ObjectKind::Lead | ObjectKind::Name => &mut self.records.names,
        };
        table.add(schema, id, &all);
    }

    fn user(&mut self, id: &str, user: &User, profile: &str) {
        let first = match user.first_name() {
            "" => Value::Null,
            first => text(first),
        };
        let alias: String = user.nickname().chars().take(8).collect();
        let values = [
            ("Username", text(&user.username)),
            ("FirstName", first),
            ("LastName", text(user.last_name())),
            ("Name", text(&user.name)),
            ("Email", text(&user.email)),
            ("Alias", text(&alias)),
            ("CommunityNickname", text(user.nickname())),
            ("IsActive", Value::Boolean(user.active)),
            ("TimeZoneSidKey", text("GMT")),
            ("LocaleSidKey", text("en_US")),
            ("EmailEncodingKey", text("UTF-8")),
            ("LanguageLocaleKey", text("en_US")),
            ("ProfileId", text(profile)),
            ("UserType", text("Standard")),
            ("Type", text("User")),
        ];
        self.add(ObjectKind::User, id, &values);
        self.add(ObjectKind::Name, id, &values);
        let values = [
            ("Name", text(&user.profile)),
            ("UserType", text("Standard")),
        ];
        self.add(ObjectKind::Profile, profile, &values);
    }

    fn queue(&mut self, id: &str, name: &str) {
        let developer_name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let values = [
            ("Name", text(name)),
            ("DeveloperName", text(&developer_name)),
            ("Type", text("Queue")),
        ];
        self.add(ObjectKind::Group, id, &values);
        self.add(ObjectKind::Name, id, &values);
    }

    fn organization(&mut self, config: &OrgConfig) {
        let values = [
            ("Name", text(&config.organization_name)),
            ("OrganizationType", text(&config.organization_type)),
            ("InstanceName", text(&config.instance_name)),
            ("IsSandbox", Value::Boolean(config.is_sandbox)),
            ("PrimaryContact", text("Integration User")),
            ("DefaultLocaleSidKey", text("en_US")),
            ("TimeZoneSidKey", text("GMT")),
            ("LanguageLocaleKey", text("en_US")),
            ("FiscalYearStartMonth", Value::Int(1)),
        ];
        self.add(ObjectKind::Organization, &id::org(), &values);
    }
}

/// Whoever may own leads, when the configuration knows nothing else of them than an id.
fn unnamed_owner(active: bool) -> User {
    let mut owner = User::named("lead.owner@sandbox.example");
    owner.name = "Lead Owner".into();
    owner.profile = "Standard User".into();
    owner.active = active;
    owner
}

fn text(text: &str) -> Value<'static> {
    Value::Text(text.to_owned().into())
}
