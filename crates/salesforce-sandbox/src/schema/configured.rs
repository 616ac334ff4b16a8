//! What the configuration may say of fields: names that an administrator could have given, types that he could have
//! chosen, and no word about fields that do not exist.
use super::{FieldType, Schema, standard_fields};
use crate::config::OrgConfig;

/// Standard fields of Lead that an org has once a feature is switched on (facts 9.1).
const OPTIONAL: [&str; 12] = [
    "MiddleName",
    "Suffix",
    "CurrencyIsoCode",
    "RecordTypeId",
    "StateCode",
    "CountryCode",
    "PartnerAccountId",
    "CampaignId",
    "FirstCallDateTime",
    "FirstEmailDateTime",
    "ScheduledResumeDateTime",
    "ActionCadenceId",
];

/// Every mistake about fields, as sentences that name the key and say what to do.
pub(crate) fn field_mistakes(config: &OrgConfig) -> Vec<String> {
    let mut found = Vec::new();
    let standard = standard_fields();
    for (i, field) in config.fields.iter().enumerate() {
        let name = &field.name;
        // That a standard name is taken is told elsewhere.
        let is_standard = standard.iter().any(|known| known.name == *name);
        if !name.is_empty()
            && !is_standard
            && !OPTIONAL.contains(&name.as_str())
            && !is_custom_name(name)
        {
            found.push(format!(
                "fields[{i}].name `{name}` is no API name: letters, digits and single underscores, a letter first, \
                 `__c` at the end; or an optional standard field: {}",
                OPTIONAL.join(", ")
            ));
        }
        if matches!(field.kind, FieldType::Id | FieldType::Address) {
            let kind = field.kind.name();
            found.push(format!(
                "fields[{i}] ({name}): no field of type \"{kind}\" can be added; choose another type, such as \"string\""
            ));
        }
    }
    let everything = Schema::new(&OrgConfig {
        hidden_fields: Vec::new(),
        ..config.clone()
    });
    for (key, names) in [
        ("hidden_fields", &config.hidden_fields),
        ("read_only_fields", &config.read_only_fields),
    ] {
        for name in names {
            if everything.find(name).is_none() {
                found.push(format!(
                    "{key}: Lead has no field `{name}`; correct the name, or add it under [[fields]]"
                ));
            }
        }
    }
    found
}

/// `Name__c`, or `namespace__Name__c` of a package.
fn is_custom_name(name: &str) -> bool {
    let Some(name) = name.strip_suffix("__c") else {
        return false;
    };
    let parts: Vec<&str> = name.split("__").collect();
    parts.len() <= 2 && parts.iter().all(|part| is_api_name(part))
}

fn is_api_name(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_alphabetic())
        && !part.ends_with('_')
        && part.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(toml: &str, expected: &[&str]) {
        let found = OrgConfig::parse(toml).unwrap().mistakes();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (mistake, start) in found.iter().zip(expected) {
            assert!(mistake.starts_with(start), "{mistake} is not {start}");
        }
    }

    #[test]
    fn fields_need_names_and_types_that_an_administrator_can_choose() {
        let field =
            |name: &str, kind: &str| format!("[[fields]]\nname = '{name}'\ntype = '{kind}'\n");
        for good in ["Order_No__c", "a1__c", "acme__Order_No__c", "MiddleName"] {
            check(&field(good, "text"), &[]);
        }
        for bad in [
            "Order No__c",
            "Order",
            "__c",
            "_a__c",
            "a___c",
            "1a__c",
            "a__b__d__c",
            "Größe__c",
            "middlename",
        ] {
            check(&field(bad, "string"), &["fields[0].name `"]);
        }
        for kind in ["id", "address"] {
            check(
                &field("A__c", kind),
                &["fields[0] (A__c): no field of type"],
            );
        }
    }

    #[test]
    fn fields_that_do_not_exist_can_be_neither_hidden_nor_read_only() {
        check(
            "hidden_fields = ['score__c', 'Id']\nread_only_fields = ['Title']",
            &[],
        );
        check(
            "hidden_fields = ['Scor__c']\nread_only_fields = ['Titel', 'Title']",
            &[
                "hidden_fields: Lead has no field `Scor__c`",
                "read_only_fields: Lead has no field `Titel`",
            ],
        );
        // What is hidden may be said to be read only too.
        check(
            "hidden_fields = ['Title']\nread_only_fields = ['Title']",
            &[],
        );
    }

    #[test]
    fn a_wrong_checksum_is_called_that() {
        check(
            "assignment_rule_owner = '005000000000001AAB'",
            &[
                "assignment_rule_owner `005000000000001AAB` has a wrong checksum; with the right one it is 005000000000001AAA",
            ],
        );
        check("assignment_rule_owner = '005000000000001'", &[]);
        check(
            "assignment_rule_owner = '001'",
            &["assignment_rule_owner `001` is no id that begins with 005 or 00G"],
        );
    }
}
