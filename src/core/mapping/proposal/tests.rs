//! Proposals for tables as people make them.

use super::*;
use crate::core::schema::{ColumnDefault, ColumnKind, TableName};

fn column(name: &str, kind: ColumnKind) -> Column {
    Column {
        name: name.into(),
        kind,
        nullable: name != "id",
        primary_key: name == "id",
        default: ColumnDefault::Null,
    }
}

fn text(name: &str) -> Column {
    column(name, ColumnKind::Text { max_chars: 80 })
}

fn table(columns: Vec<Column>) -> TableSchema {
    let id = ColumnKind::Integer {
        bytes: 8,
        unsigned: true,
    };
    let name = TableName {
        schema: "crm".into(),
        table: "leads".into(),
    };
    let columns = std::iter::once(column("id", id)).chain(columns).collect();
    TableSchema { name, columns }
}

fn field(name: &str, label: &str, kind: FieldKind) -> FieldDescribe {
    FieldDescribe {
        name: name.into(),
        label: label.into(),
        kind,
        nillable: !matches!(name, "LastName" | "Company"),
        defaulted_on_create: false,
        createable: name != "CreatedDate",
        updateable: true,
        external_id: name.ends_with("_Id__c"),
        unique: name.ends_with("_Id__c"),
        case_sensitive: false,
        id_lookup: false,
    }
}

fn lead(more: Vec<FieldDescribe>) -> ObjectDescribe {
    let text = |max_chars| FieldKind::Text { max_chars };
    let mut fields = vec![
        field("LastName", "Last Name", text(80)),
        field("FirstName", "First Name", text(40)),
        field("Company", "Company", text(255)),
        field("Email", "Email", FieldKind::Email { max_chars: 80 }),
        field("PostalCode", "Zip/Postal Code", text(20)),
        field("CreatedDate", "Created Date", FieldKind::DateTime),
        field(
            "NumberOfEmployees",
            "Employees",
            FieldKind::Int { digits: 9 },
        ),
        field("Favourite_Colour__c", "Colour", text(20)),
    ];
    fields.extend(more);
    ObjectDescribe {
        name: "Lead".into(),
        createable: true,
        updateable: true,
        fields,
        record_types: Vec::new(),
    }
}

fn key(name: &str) -> FieldDescribe {
    field(name, name, FieldKind::Text { max_chars: 64 })
}

/// `field <- column` of everything proposed from a column.
fn pairs(proposal: &Proposal) -> Vec<String> {
    let fields = proposal.fields.iter();
    let of = fields.map(|it| match &it.spec.source {
        FieldSource::Column { name, .. } => format!("{} <- {name}", it.spec.field),
        other => format!("{} = {other:?}", it.spec.field),
    });
    of.collect()
}

fn doubts<'a>(proposal: &'a Proposal, field: &str) -> &'a [String] {
    let found = proposal.fields.iter().find(|it| it.spec.field == field);
    &found
        .unwrap_or_else(|| panic!("{field} is not proposed"))
        .doubts
}

#[test]
fn plain_names_other_names_and_labels_find_their_fields() {
    let table = table(vec![
        text("surname"),
        text("first_name"),
        text("company_name"),
        text("e_mail"),
        text("zip"),
        text("colour"),
        text("created_date"),
        text("password_hash"),
    ]);
    let proposal = propose(&table, &lead(vec![key("MySQL_Id__c")]), None).unwrap();
    assert_eq!(
        pairs(&proposal),
        [
            "LastName <- surname",
            "FirstName <- first_name",
            "Company <- company_name",
            "Email <- e_mail",
            "PostalCode <- zip",
            "Favourite_Colour__c <- colour",
        ]
    );
    // Nobody may write CreatedDate, and nothing looks like a hash.
    let left: Vec<&str> = proposal.left_out.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(left, ["created_date", "password_hash"]);
    assert_eq!(
        (proposal.external_id.as_str(), proposal.external_id_exists),
        ("MySQL_Id__c", true)
    );
    assert_eq!(proposal.key_column, "id");
    assert_eq!(
        doubts(&proposal, "FirstName").len(),
        1,
        "80 into 40 characters"
    );
}

#[test]
fn a_type_that_does_not_fit_is_left_out_with_its_reason() {
    let table = table(vec![text("name"), column("employees", ColumnKind::Json)]);
    let proposal = propose(&table, &lead(vec![]), None).unwrap();
    assert_eq!(pairs(&proposal)[0], "LastName <- name");
    let (column, reason) = &proposal.left_out[0];
    assert_eq!(column, "employees");
    assert!(reason.contains("NumberOfEmployees"), "{reason}");
    // A whole name is no last name.
    assert!(doubts(&proposal, "LastName")[0].contains("look alike"));
}

#[test]
fn what_must_have_a_value_gets_one_with_a_doubt() {
    let proposal = propose(&table(vec![text("surname")]), &lead(vec![]), None).unwrap();
    let last_name = &proposal.fields[0].spec.source;
    let default = Some(Scalar::Text(STAND_IN.into()));
    assert!(matches!(last_name, FieldSource::Column { default: found, .. } if *found == default));
    let company = &proposal.fields[1];
    assert_eq!(company.spec.field, "Company");
    assert_eq!(
        company.spec.source,
        FieldSource::Constant(Scalar::Text(STAND_IN.into()))
    );
    assert!(company.doubts[0].contains("every lead"));
    assert!(!proposal.external_id_exists);
    assert_eq!(proposal.external_id, "MySQL_Id__c");
}

#[test]
fn the_field_that_is_named_for_it_is_the_external_id() {
    let object = lead(vec![key("Billing_Id__c"), key("My_SQL_Id__c")]);
    let proposal = propose(&table(vec![]), &object, None).unwrap();
    assert_eq!(proposal.external_id, "My_SQL_Id__c");
    let proposal = propose(&table(vec![]), &object, Some("Billing_Id__c")).unwrap();
    assert_eq!(proposal.external_id, "Billing_Id__c");
}

#[test]
fn a_table_without_a_key_of_one_column_is_refused() {
    let mut keyless = table(vec![text("surname")]);
    keyless.columns[0].primary_key = false;
    let refused = propose(&keyless, &lead(vec![]), None);
    assert_eq!(refused, Err(NoProposal::NoKey("crm.leads".into())));
    let mut two = table(vec![text("surname")]);
    two.columns[1].primary_key = true;
    assert!(propose(&two, &lead(vec![]), None).is_err());
}
