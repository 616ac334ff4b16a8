//! The standard fields of Lead, with types, lengths and flags from salesforce-facts 9.1.
use super::{Field, FieldType as T};
use crate::config::OrgConfig;

/// Writable on insert for whoever may set audit fields (facts 9.1).
pub(super) const AUDIT_FIELDS: [&str; 4] = [
    "CreatedDate",
    "CreatedById",
    "LastModifiedDate",
    "LastModifiedById",
];

const INDUSTRIES: &[&str] = &[
    "Agriculture",
    "Apparel",
    "Banking",
    "Biotechnology",
    "Chemicals",
    "Communications",
    "Construction",
    "Consulting",
    "Education",
    "Electronics",
    "Energy",
    "Engineering",
    "Entertainment",
    "Environmental",
    "Finance",
    "Food & Beverage",
    "Government",
    "Healthcare",
    "Hospitality",
    "Insurance",
    "Machinery",
    "Manufacturing",
    "Media",
    "Not For Profit",
    "Recreation",
    "Retail",
    "Shipping",
    "Technology",
    "Telecommunications",
    "Transportation",
    "Utilities",
    "Other",
];
const STATUSES: &[&str] = &[
    "Open - Not Contacted",
    "Working - Contacted",
    "Closed - Converted",
    "Closed - Not Converted",
];
const SOURCES: &[&str] = &[
    "Web",
    "Phone Inquiry",
    "Partner Referral",
    "Purchased List",
    "Other",
];
const SALUTATIONS: &[&str] = &["Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx."];
const ACCURACIES: &[&str] = &[
    "Address",
    "NearAddress",
    "Block",
    "Street",
    "ExtendedZip",
    "Zip",
    "Neighborhood",
    "City",
    "County",
    "State",
    "Unknown",
];
const CLEAN_STATUSES: &[&str] = &[
    "Matched",
    "Different",
    "Acknowledged",
    "NotFound",
    "Inactive",
    "Pending",
    "SelectMatch",
    "Skipped",
];
const PRONOUNS: &[&str] = &[
    "He/Him",
    "She/Her",
    "They/Them",
    "He/They",
    "She/They",
    "Not Listed",
];
const GENDERS: &[&str] = &["Male", "Female", "Nonbinary", "Not Listed"];

/// Flags: C createable, U updateable, N nillable, D defaulted on create, R restricted picklist, L id lookup.
pub(super) fn row(name: &str, label: &str, kind: T, length: u32, flags: &str) -> Field {
    let has = |flag| flags.contains(flag);
    Field {
        name: name.into(),
        label: label.into(),
        kind,
        length,
        digits: 0,
        precision: 0,
        scale: 0,
        nillable: has('N'),
        createable: has('C'),
        updateable: has('U'),
        defaulted_on_create: has('D'),
        custom: false,
        external_id: false,
        unique: false,
        case_sensitive: false,
        id_lookup: has('L'),
        picklist: Vec::new(),
        inactive: Vec::new(),
        restricted: has('R'),
        reference_to: Vec::new(),
        compound: None,
    }
}

pub(super) fn picklist(
    name: &str,
    label: &str,
    length: u32,
    flags: &str,
    values: &[&str],
) -> Field {
    Field {
        picklist: values.iter().map(|v| (*v).into()).collect(),
        ..row(name, label, T::Picklist, length, flags)
    }
}

pub(super) fn reference(name: &str, label: &str, flags: &str, to: &[&'static str]) -> Field {
    Field {
        reference_to: to.to_vec(),
        ..row(name, label, T::Reference, 18, flags)
    }
}

fn part_of(compound: &'static str, field: Field) -> Field {
    Field {
        compound: Some(compound),
        ..field
    }
}

fn number(name: &str, label: &str, kind: T, precision: u32, scale: u32) -> Field {
    Field {
        precision,
        scale,
        ..row(name, label, kind, 0, "CUN")
    }
}

/// The fields of an Enterprise Edition org without optional features, in describe's order.
#[rustfmt::skip]
pub(crate) fn standard_fields() -> Vec<Field> {
    vec![
        row("Id", "Lead ID", T::Id, 18, "DL"),
        row("IsDeleted", "Deleted", T::Boolean, 0, "D"),
        reference("MasterRecordId", "Master Record ID", "N", &["Lead"]),
        part_of("Name", row("LastName", "Last Name", T::Text, 80, "CU")),
        part_of("Name", row("FirstName", "First Name", T::Text, 40, "CUN")),
        part_of("Name", picklist("Salutation", "Salutation", 40, "CUN", SALUTATIONS)),
        row("Name", "Full Name", T::Text, 121, ""),
        row("Title", "Title", T::Text, 128, "CUN"),
        row("Company", "Company", T::Text, 255, "CU"),
        part_of("Address", row("Street", "Street", T::TextArea, 255, "CUN")),
        part_of("Address", row("City", "City", T::Text, 40, "CUN")),
        part_of("Address", row("State", "State/Province", T::Text, 80, "CUN")),
        part_of("Address", row("PostalCode", "Zip/Postal Code", T::Text, 20, "CUN")),
        part_of("Address", row("Country", "Country", T::Text, 80, "CUN")),
        part_of("Address", number("Latitude", "Latitude", T::Double, 18, 15)),
        part_of("Address", number("Longitude", "Longitude", T::Double, 18, 15)),
        part_of("Address", picklist("GeocodeAccuracy", "Geocode Accuracy", 40, "CUNR", ACCURACIES)),
        row("Address", "Address", T::Address, 0, "N"),
        row("Phone", "Phone", T::Phone, 40, "CUN"),
        row("MobilePhone", "Mobile Phone", T::Phone, 40, "CUN"),
        row("Fax", "Fax", T::Phone, 40, "CUN"),
        row("Email", "Email", T::Email, 80, "CUNL"),
        row("Website", "Website", T::Url, 255, "CUN"),
        row("PhotoUrl", "Photo URL", T::Url, 255, "N"),
        row("Description", "Description", T::TextArea, 32_000, "CUN"),
        picklist("LeadSource", "Lead Source", 255, "CUN", SOURCES),
        picklist("Status", "Status", 255, "CUD", STATUSES),
        picklist("Industry", "Industry", 255, "CUN", INDUSTRIES),
        picklist("Rating", "Rating", 255, "CUN", &["Hot", "Warm", "Cold"]),
        number("AnnualRevenue", "Annual Revenue", T::Currency, 18, 0),
        Field { digits: 8, ..row("NumberOfEmployees", "Employees", T::Int, 0, "CUN") },
        reference("OwnerId", "Owner ID", "CUD", &["Group", "User"]),
        row("HasOptedOutOfEmail", "Email Opt Out", T::Boolean, 0, "CUD"),
        row("HasOptedOutOfFax", "Fax Opt Out", T::Boolean, 0, "CUD"),
        row("DoNotCall", "Do Not Call", T::Boolean, 0, "CUD"),
        row("IsConverted", "Converted", T::Boolean, 0, "CD"),
        row("ConvertedDate", "Converted Date", T::Date, 0, "N"),
        reference("ConvertedAccountId", "Converted Account ID", "N", &["Account"]),
        reference("ConvertedContactId", "Converted Contact ID", "N", &["Contact"]),
        reference("ConvertedOpportunityId", "Converted Opportunity ID", "N", &["Opportunity"]),
        row("IsUnreadByOwner", "Unread By Owner", T::Boolean, 0, "CUD"),
        row("CreatedDate", "Created Date", T::DateTime, 0, "D"),
        reference("CreatedById", "Created By ID", "D", &["User"]),
        row("LastModifiedDate", "Last Modified Date", T::DateTime, 0, "D"),
        reference("LastModifiedById", "Last Modified By ID", "D", &["User"]),
        row("SystemModstamp", "System Modstamp", T::DateTime, 0, "D"),
        row("LastActivityDate", "Last Activity", T::Date, 0, "N"),
        row("LastViewedDate", "Last Viewed Date", T::DateTime, 0, "N"),
        row("LastReferencedDate", "Last Referenced Date", T::DateTime, 0, "N"),
        row("Jigsaw", "Data.com Key", T::Text, 20, "CUN"),
        row("JigsawContactId", "Jigsaw Contact ID", T::Text, 20, "N"),
        picklist("CleanStatus", "Clean Status", 40, "CUNR", CLEAN_STATUSES),
        row("CompanyDunsNumber", "Company D-U-N-S Number", T::Text, 9, "CUN"),
        reference("DandbCompanyId", "D&B Company ID", "CUN", &["DandBCompany"]),
        row("EmailBouncedReason", "Email Bounced Reason", T::Text, 255, "UN"),
        row("EmailBouncedDate", "Email Bounced Date", T::DateTime, 0, "UN"),
        reference("IndividualId", "Individual ID", "CUN", &["Individual"]),
        row("IsPriorityRecord", "Important", T::Boolean, 0, "D"),
        picklist("Pronouns", "Pronouns", 255, "CUNR", PRONOUNS),
        picklist("GenderIdentity", "Gender Identity", 255, "CUNR", GENDERS),
    ]
}

/// The fields that an org has once a feature is switched on (facts 9.1).
pub(super) fn optional_fields(config: &OrgConfig) -> Vec<Field> {
    let mut fields = Vec::new();
    if !config.record_types.is_empty() {
        fields.push(reference(
            "RecordTypeId",
            "Record Type ID",
            "CUN",
            &["RecordType"],
        ));
    }
    if config.state_country_picklists {
        let countries = config.effective_countries();
        let states: Vec<&str> = countries
            .iter()
            .flat_map(|country| country.states.iter().map(|state| state.code.as_str()))
            .collect();
        let codes: Vec<&str> = countries
            .iter()
            .map(|country| country.code.as_str())
            .collect();
        let code = |name, label, values: &[&str]| {
            part_of("Address", picklist(name, label, 10, "CUNR", values))
        };
        fields.push(code("StateCode", "State/Province Code", &states));
        fields.push(code("CountryCode", "Country Code", &codes));
    }
    fields
}
