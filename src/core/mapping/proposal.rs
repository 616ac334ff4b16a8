//! A first mapping, proposed from the names and types of both sides. A person reads it before it is
//! used, so whatever is not plain carries its doubt.

#[cfg(test)]
mod tests;

use super::{FieldSource, FieldSpec, MappingSpec, OnTooLong, Scalar, advise, compile};
use crate::core::describe::{FieldDescribe, FieldKind, ObjectDescribe};
use crate::core::schema::{Column, TableSchema};

/// What other names the standard fields of a lead go by in tables, without their punctuation.
const SYNONYMS: [(&str, &[&str]); 21] = [
    ("firstname", &["first", "givenname", "forename", "fname"]),
    ("lastname", &["last", "surname", "familyname", "lname"]),
    (
        "company",
        &[
            "companyname",
            "organisation",
            "organization",
            "account",
            "firm",
            "business",
        ],
    ),
    ("email", &["mail", "emailaddress", "mailaddress"]),
    (
        "phone",
        &["tel", "telephone", "phonenumber", "telephonenumber"],
    ),
    (
        "mobilephone",
        &["mobile", "cell", "cellphone", "mobilenumber"],
    ),
    ("fax", &["faxnumber"]),
    (
        "street",
        &["address", "address1", "streetaddress", "addressline1"],
    ),
    ("city", &["town"]),
    ("postalcode", &["zip", "zipcode", "postcode"]),
    ("state", &["region", "province"]),
    ("country", &["countryname"]),
    ("statecode", &["regioncode", "provincecode"]),
    ("countrycode", &["countryiso", "iso2"]),
    ("title", &["jobtitle", "position"]),
    ("website", &["url", "homepage", "web"]),
    ("annualrevenue", &["revenue", "turnover"]),
    (
        "numberofemployees",
        &["employees", "headcount", "staff", "employeecount"],
    ),
    ("leadsource", &["source", "channel", "origin"]),
    (
        "description",
        &["notes", "note", "comment", "comments", "message"],
    ),
    ("salutation", &["honorific"]),
];

/// Names of columns that hold a field's value and more, or something near it.
const NEAR: [(&str, &[&str]); 1] = [("lastname", &["name", "fullname", "contact", "contactname"])];

/// Names that are alike by no less than this are proposed, with a doubt.
const ALIKE: f64 = 0.93;
/// A synonym is nearly a name.
const SYNONYM: f64 = 0.97;

/// What a required field holds when no column is known to.
const STAND_IN: &str = "Unknown";

/// A route's mapping, as far as it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// API name of the field; one that is to be made where the object has none that fits.
    pub external_id: String,
    /// Whether the object has that field, marked as it must be.
    pub external_id_exists: bool,
    /// The table's primary key.
    pub key_column: String,
    /// In the order of the table's columns, then what no column gives.
    pub fields: Vec<ProposedField>,
    /// Columns that go nowhere, and why; a blank reason where nothing looks like them.
    pub left_out: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ProposedField {
    pub spec: FieldSpec,
    /// What a person should look at; none where names and types are plain.
    pub doubts: Vec<String>,
}

/// Why nothing can be proposed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoProposal {
    #[error("table {0} has no primary key of one column, so nothing names its rows in Salesforce")]
    NoKey(String),
}

/// Proposes a mapping. `field` is the external id's field where a person named it.
///
/// # Errors
/// When the table has no primary key of one column.
pub fn propose(
    table: &TableSchema,
    object: &ObjectDescribe,
    field: Option<&str>,
) -> Result<Proposal, NoProposal> {
    let mut keys = table.columns.iter().filter(|column| column.primary_key);
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(NoProposal::NoKey(table.name.to_string()));
    };
    let external_id = field.map_or_else(|| external_id(object), str::to_owned);
    let exists = object
        .field(&external_id)
        .is_some_and(|field| field.external_id && field.unique);
    let mut proposal = Proposal {
        external_id,
        external_id_exists: exists,
        key_column: key.name.clone(),
        fields: Vec::new(),
        left_out: Vec::new(),
    };
    let pairs = pair(table, object, &proposal);
    for column in &table.columns {
        if column.name == key.name {
            continue;
        }
        let Some((_, field, likeness)) = pairs.iter().find(|(of, ..)| of.name == column.name)
        else {
            proposal.left_out.push((column.name.clone(), String::new()));
            continue;
        };
        let found = from_column(column, field, *likeness);
        match fits(&found, table, object, &proposal) {
            Ok(advice) => {
                let mut found = found;
                found.doubts.extend(advice);
                proposal.fields.push(found);
            }
            Err(reason) => proposal.left_out.push((column.name.clone(), reason)),
        }
    }
    for field in object.fields.iter().filter(|field| field.is_required()) {
        let is_mapped = |it: &ProposedField| it.spec.field == field.name;
        if field.name != proposal.external_id && !proposal.fields.iter().any(is_mapped) {
            proposal.fields.push(stand_in(field));
        }
    }
    Ok(proposal)
}

/// The field that is made for it, or the only one that could be it.
fn external_id(object: &ObjectDescribe) -> String {
    let fits = |field: &&FieldDescribe| {
        field.external_id && field.unique && matches!(field.kind, FieldKind::Text { .. })
    };
    let mut found: Vec<&FieldDescribe> = object.fields.iter().filter(fits).collect();
    found.sort_by_key(|field| !plain(&field.name).contains("mysql"));
    found
        .first()
        .map_or_else(|| "MySQL_Id__c".to_owned(), |field| field.name.clone())
}

/// Each column with the field that is most like it, no field twice.
fn pair<'a>(
    table: &'a TableSchema,
    object: &'a ObjectDescribe,
    proposal: &Proposal,
) -> Vec<(&'a Column, &'a FieldDescribe, f64)> {
    let mut all = Vec::new();
    for column in &table.columns {
        for field in &object.fields {
            let open = field.createable
                && field.name != proposal.external_id
                && column.name != proposal.key_column;
            let likeness = likeness(&column.name, field);
            if open && likeness >= ALIKE {
                all.push((column, field, likeness));
            }
        }
    }
    // The sort is stable: of equals the first column and the first field win.
    all.sort_by(|left, right| right.2.total_cmp(&left.2));
    let mut pairs: Vec<(&Column, &FieldDescribe, f64)> = Vec::new();
    for (column, field, likeness) in all {
        let taken = pairs
            .iter()
            .any(|(of, to, _)| of.name == column.name || to.name == field.name);
        if !taken {
            pairs.push((column, field, likeness));
        }
    }
    pairs
}

/// How much a column's name is a field's, 0 to 1.
fn likeness(column: &str, field: &FieldDescribe) -> f64 {
    let column = plain(column);
    let name = plain(field.name.strip_suffix("__c").unwrap_or(&field.name));
    if column == name || column == plain(&field.label) {
        return 1.0;
    }
    let known = SYNONYMS.iter().find(|(of, _)| *of == name);
    if known.is_some_and(|(_, names)| names.contains(&column.as_str())) {
        return SYNONYM;
    }
    let near = NEAR.iter().find(|(of, _)| *of == name);
    if near.is_some_and(|(_, names)| names.contains(&column.as_str())) {
        return ALIKE;
    }
    // Short names are alike by chance.
    if column.len() < 4 || name.len() < 4 {
        return 0.0;
    }
    strsim::jaro_winkler(&column, &name).min(SYNONYM - 0.001)
}

/// Letters and digits alone, in lower case.
fn plain(name: &str) -> String {
    let kept = name.chars().filter(|letter| letter.is_alphanumeric());
    kept.flat_map(char::to_lowercase).collect()
}

fn from_column(column: &Column, field: &FieldDescribe, likeness: f64) -> ProposedField {
    let mut doubts = Vec::new();
    if likeness < SYNONYM {
        doubts.push(format!(
            "only the names look alike: is {} what {} means?",
            field.name, column.name
        ));
    }
    let is_text = matches!(field.kind, FieldKind::Text { .. });
    let default = (field.is_required() && column.nullable && is_text).then(|| {
        doubts.push(format!(
            "{} must have a value and {} may be NULL: such leads get this one",
            field.name, column.name
        ));
        Scalar::Text(STAND_IN.to_owned())
    });
    ProposedField {
        spec: FieldSpec {
            field: field.name.clone(),
            source: FieldSource::Column {
                name: column.name.clone(),
                default,
            },
            trim: true,
            on_too_long: None,
        },
        doubts,
    }
}

/// Whether the column's type can be the field's; what is to be known then, or why not.
fn fits(
    found: &ProposedField,
    table: &TableSchema,
    object: &ObjectDescribe,
    proposal: &Proposal,
) -> Result<Vec<String>, String> {
    let path = "route[0]".to_owned();
    let own = format!("{path}.fields.{}", found.spec.field);
    let spec = MappingSpec {
        route: String::new(),
        table: table.name.clone(),
        object: object.name.clone(),
        external_id: proposal.external_id.clone(),
        key_column: proposal.key_column.clone(),
        fields: vec![found.spec.clone()],
        filter: None,
        on_too_long: OnTooLong::default(),
        path,
    };
    let is_own = |it: &String| {
        let rest = it.strip_prefix(&own);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if let Err(mistakes) = compile(&spec, table, object)
        && let Some(mistake) = mistakes.into_iter().find(|it| is_own(&it.path))
    {
        return Err(mistake.text);
    }
    let advice = advise(&spec, table, object).into_iter();
    Ok(advice
        .filter(|it| is_own(&it.path))
        .map(|it| it.text)
        .collect())
}

/// For a field that must have a value, when no column gives it.
fn stand_in(field: &FieldDescribe) -> ProposedField {
    let value = match &field.kind {
        FieldKind::Picklist {
            restricted: Some(values),
            ..
        }
        | FieldKind::MultiPicklist {
            restricted: Some(values),
            ..
        } => values.first().cloned().unwrap_or_default(),
        _ => STAND_IN.to_owned(),
    };
    ProposedField {
        spec: FieldSpec {
            field: field.name.clone(),
            source: FieldSource::Constant(Scalar::Text(value)),
            trim: true,
            on_too_long: None,
        },
        doubts: vec![format!(
            "{} must have a value and no column looks like it: every lead gets this one",
            field.name
        )],
    }
}
