//! The objects of an org besides the fields of Lead: names, key prefixes, and the fields of those that are read only.
//!
//! Field lists are a choice among the standard fields: those that identify a user, a queue or the org, and those
//! that clients are known to ask for (facts 12).
use super::standard::{picklist, reference, row};
use super::{Field, FieldType as T, Schema};

/// One kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ObjectKind {
    Lead,
    User,
    Profile,
    Organization,
    /// Queues, which may own leads.
    Group,
    /// What owners have in common, whether users or queues. Fields of a lead's owner are read through it; it cannot
    /// be asked for by itself.
    Name,
}

impl ObjectKind {
    /// Those that can be described, read and queried, by name.
    pub(crate) const PUBLIC: [ObjectKind; 5] = [
        ObjectKind::Group,
        ObjectKind::Lead,
        ObjectKind::Organization,
        ObjectKind::Profile,
        ObjectKind::User,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            ObjectKind::Lead => "Lead",
            ObjectKind::User => "User",
            ObjectKind::Profile => "Profile",
            ObjectKind::Organization => "Organization",
            ObjectKind::Group => "Group",
            ObjectKind::Name => "Name",
        }
    }

    pub(crate) fn label(self) -> &'static str {
        self.name()
    }

    pub(crate) fn label_plural(self) -> &'static str {
        match self {
            ObjectKind::Lead => "Leads",
            ObjectKind::User => "Users",
            ObjectKind::Profile => "Profiles",
            ObjectKind::Organization => "Organizations",
            ObjectKind::Group => "Groups",
            ObjectKind::Name => "Names",
        }
    }

    /// The first three characters of its records' ids.
    pub(crate) fn key_prefix(self) -> Option<&'static str> {
        match self {
            ObjectKind::Lead => Some("00Q"),
            ObjectKind::User => Some("005"),
            ObjectKind::Profile => Some("00e"),
            ObjectKind::Organization => Some("00D"),
            ObjectKind::Group => Some("00G"),
            ObjectKind::Name => None,
        }
    }

    /// The object of that name, in any case.
    pub(crate) fn named(name: &str) -> Option<ObjectKind> {
        let mut all = ObjectKind::PUBLIC.into_iter();
        all.find(|object| object.name().eq_ignore_ascii_case(name))
    }
}

/// The fields of the objects that cannot be written.
#[derive(Debug)]
pub(crate) struct ReadOnlySchemas {
    user: Schema,
    profile: Schema,
    organization: Schema,
    group: Schema,
    name: Schema,
}

impl ReadOnlySchemas {
    pub(crate) fn new() -> ReadOnlySchemas {
        ReadOnlySchemas {
            user: Schema::of(user_fields()),
            profile: Schema::of(profile_fields()),
            organization: Schema::of(organization_fields()),
            group: Schema::of(group_fields()),
            name: Schema::of(name_fields()),
        }
    }

    /// None for Lead, whose fields depend on the configuration.
    pub(crate) fn schema(&self, object: ObjectKind) -> Option<&Schema> {
        match object {
            ObjectKind::Lead => None,
            ObjectKind::User => Some(&self.user),
            ObjectKind::Profile => Some(&self.profile),
            ObjectKind::Organization => Some(&self.organization),
            ObjectKind::Group => Some(&self.group),
            ObjectKind::Name => Some(&self.name),
        }
    }
}

/// All objects of an org.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Catalog<'o> {
    pub(crate) lead: &'o Schema,
    pub(crate) others: &'o ReadOnlySchemas,
}

impl<'o> Catalog<'o> {
    pub(crate) fn schema(&self, object: ObjectKind) -> &'o Schema {
        self.others.schema(object).unwrap_or(self.lead)
    }
}

/// Who wrote a record and when.
fn audit_fields() -> Vec<Field> {
    vec![
        row("CreatedDate", "Created Date", T::DateTime, 0, "D"),
        reference("CreatedById", "Created By ID", "D", &["User"]),
        row(
            "LastModifiedDate",
            "Last Modified Date",
            T::DateTime,
            0,
            "D",
        ),
        reference("LastModifiedById", "Last Modified By ID", "D", &["User"]),
        row("SystemModstamp", "System Modstamp", T::DateTime, 0, "D"),
    ]
}

fn with_audit(mut fields: Vec<Field>) -> Vec<Field> {
    fields.extend(audit_fields());
    fields
}

#[rustfmt::skip]
fn user_fields() -> Vec<Field> {
    with_audit(vec![
        row("Id", "User ID", T::Id, 18, "DL"),
        row("Username", "Username", T::Text, 80, "L"),
        row("LastName", "Last Name", T::Text, 80, ""),
        row("FirstName", "First Name", T::Text, 40, "N"),
        row("Name", "Full Name", T::Text, 121, ""),
        row("CompanyName", "Company Name", T::Text, 80, "N"),
        row("Department", "Department", T::Text, 80, "N"),
        row("Title", "Title", T::Text, 80, "N"),
        row("Email", "Email", T::Email, 128, "L"),
        row("Phone", "Phone", T::Phone, 40, "N"),
        row("MobilePhone", "Mobile Phone", T::Phone, 40, "N"),
        row("Alias", "Alias", T::Text, 8, ""),
        row("CommunityNickname", "Nickname", T::Text, 40, ""),
        row("IsActive", "Active", T::Boolean, 0, "D"),
        picklist("TimeZoneSidKey", "Time Zone", 40, "R", &["GMT"]),
        reference("UserRoleId", "Role ID", "N", &["UserRole"]),
        picklist("LocaleSidKey", "Locale", 40, "R", &["en_US"]),
        picklist("EmailEncodingKey", "Email Encoding", 40, "R", &["UTF-8"]),
        reference("ProfileId", "Profile ID", "", &["Profile"]),
        picklist("UserType", "User Type", 40, "R", &["Standard"]),
        picklist("LanguageLocaleKey", "Language", 40, "R", &["en_US"]),
        row("EmployeeNumber", "Employee Number", T::Text, 20, "N"),
        reference("ManagerId", "Manager ID", "N", &["User"]),
        row("LastLoginDate", "Last Login", T::DateTime, 0, "N"),
    ])
}

#[rustfmt::skip]
fn profile_fields() -> Vec<Field> {
    with_audit(vec![
        row("Id", "Profile ID", T::Id, 18, "DL"),
        row("Name", "Name", T::Text, 255, ""),
        row("Description", "Description", T::Text, 255, "N"),
        picklist("UserType", "User Type", 40, "NR", &["Standard"]),
    ])
}

#[rustfmt::skip]
fn organization_fields() -> Vec<Field> {
    let month = row("FiscalYearStartMonth", "Fiscal Year Starts In", T::Int, 0, "");
    with_audit(vec![
        row("Id", "Organization ID", T::Id, 18, "DL"),
        row("Name", "Name", T::Text, 80, ""),
        row("Division", "Division", T::Text, 80, "N"),
        row("Street", "Street", T::TextArea, 255, "N"),
        row("City", "City", T::Text, 40, "N"),
        row("State", "State/Province", T::Text, 80, "N"),
        row("PostalCode", "Zip/Postal Code", T::Text, 20, "N"),
        row("Country", "Country", T::Text, 80, "N"),
        row("Phone", "Phone", T::Phone, 40, "N"),
        row("Fax", "Fax", T::Phone, 40, "N"),
        row("PrimaryContact", "Primary Contact", T::Text, 80, "N"),
        picklist("DefaultLocaleSidKey", "Locale", 40, "R", &["en_US"]),
        picklist("TimeZoneSidKey", "Time Zone", 40, "R", &["GMT"]),
        picklist("LanguageLocaleKey", "Language", 40, "R", &["en_US"]),
        Field { digits: 9, ..month },
        picklist("OrganizationType", "Edition", 40, "NR", &[]),
        row("NamespacePrefix", "Namespace Prefix", T::Text, 15, "N"),
        row("InstanceName", "Instance Name", T::Text, 5, "N"),
        row("IsSandbox", "Is Sandbox", T::Boolean, 0, "D"),
        row("IsReadOnly", "Is Read Only", T::Boolean, 0, "D"),
        row("TrialExpirationDate", "Trial Expiration Date", T::DateTime, 0, "N"),
    ])
}

#[rustfmt::skip]
fn group_fields() -> Vec<Field> {
    with_audit(vec![
        row("Id", "Group ID", T::Id, 18, "DL"),
        row("Name", "Name", T::Text, 40, ""),
        row("DeveloperName", "Developer Name", T::Text, 80, "N"),
        picklist("Type", "Type", 40, "R", &["Regular", "Queue"]),
        row("Email", "Email", T::Email, 255, "N"),
        row("DoesSendEmailToMembers", "Send Email to Members", T::Boolean, 0, "D"),
        row("DoesIncludeBosses", "Include Bosses", T::Boolean, 0, "D"),
    ])
}

#[rustfmt::skip]
fn name_fields() -> Vec<Field> {
    vec![
        row("Id", "Name ID", T::Id, 18, "DL"),
        row("Name", "Name", T::Text, 121, "N"),
        row("LastName", "Last Name", T::Text, 80, "N"),
        row("FirstName", "First Name", T::Text, 40, "N"),
        picklist("Type", "Type", 40, "NR", &["User", "Queue"]),
        row("Username", "Username", T::Text, 80, "N"),
        row("Email", "Email", T::Email, 128, "N"),
        row("Alias", "Alias", T::Text, 8, "N"),
        row("Title", "Title", T::Text, 80, "N"),
        row("Phone", "Phone", T::Phone, 40, "N"),
        row("IsActive", "Active", T::Boolean, 0, "D"),
        reference("ProfileId", "Profile ID", "N", &["Profile"]),
        reference("UserRoleId", "Role ID", "N", &["UserRole"]),
    ]
}
