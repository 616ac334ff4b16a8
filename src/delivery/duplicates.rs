//! Duplicate rules: what a call says about them, and what can be read of the leads that were found.
//!
//! The details stand under a key that is misspelt in many versions of the API; both are read.
//! Source: salesforce-facts 7.3 and 8. Collections mostly leave them out: then the record's message
//! is all there is.

use reqwest::header::HeaderValue;
use serde::Deserialize;

/// What happens when a duplicate rule objects to a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDuplicate {
    /// A person decides.
    #[default]
    DeadLetter,
    /// Rules that only alert are passed over; those that block refuse all the same.
    Allow,
}

impl OnDuplicate {
    /// Sent with the first call already: a second one for what was refused would cost calls and
    /// come to the same.
    pub(super) fn header(self) -> Option<HeaderValue> {
        match self {
            OnDuplicate::DeadLetter => None,
            OnDuplicate::Allow => Some(HeaderValue::from_static("allowSave=true")),
        }
    }
}

/// The details of a duplicate rule's objection, as far as they are of use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DuplicateResult {
    #[serde(default)]
    allow_save: Option<bool>,
    #[serde(default)]
    duplicate_rule: Option<String>,
    #[serde(default)]
    match_results: Vec<MatchResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MatchResult {
    #[serde(default)]
    match_records: Vec<MatchRecord>,
}

#[derive(Deserialize)]
struct MatchRecord {
    #[serde(default)]
    record: Option<MatchedLead>,
}

#[derive(Deserialize)]
struct MatchedLead {
    #[serde(rename = "Id", default)]
    id: Option<String>,
}

/// What a sharing rule hides is left out of the answer.
const UNSEEN: &str = "the records that it found are not shown: the integration user may not read \
                      them, so give it read access, or look for them as an administrator";

/// Ids that are shown at most.
const SHOWN: usize = 10;

impl DuplicateResult {
    /// What a person needs to decide: rule, kind of rule, ids of the leads that were found.
    pub(super) fn words(&self) -> String {
        let ids: Vec<&str> = self
            .match_results
            .iter()
            .flat_map(|result| &result.match_records)
            .filter_map(|matched| matched.record.as_ref()?.id.as_deref())
            .collect();
        let kind = match self.allow_save {
            Some(true) => "alerts",
            Some(false) => "blocks",
            None => "objects",
        };
        let rule = self.duplicate_rule.as_deref().unwrap_or("a duplicate rule");
        let more = match ids.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        if ids.is_empty() {
            return format!("({rule} {kind}; {UNSEEN})");
        }
        let shown = ids[..ids.len().min(SHOWN)].join(", ");
        format!("({rule} {kind}; it found {shown}{more})")
    }
}

#[cfg(test)]
mod tests {
    use crate::delivery::wire::decode_errors;

    /// Salesforce's own example, by either spelling.
    fn body(key: &str, allow: bool) -> String {
        format!(
            r#"[{{"{key}":{{"allowSave":{allow},"duplicateRule":"Standard_Lead_Duplicate_Rule",
                "duplicateRuleEntityType":"Lead","errorMessage":"Use one of these records?",
                "matchResults":[{{"entityType":"Lead","errors":[],"matchEngine":"FuzzyMatchEngine",
                "matchRecords":[{{"additionalInformation":[],"fieldDiffs":[],"matchConfidence":100.0,
                "record":{{"attributes":{{"type":"Lead","url":"/x"}},"Id":"00Q000000000001AAA"}}}}],
                "rule":"Standard_Lead_Match_Rule_v1_0","size":1,"success":true}}]}},
                "errorCode":"DUPLICATES_DETECTED","message":"Use one of these records?"}}]"#
        )
    }

    #[test]
    fn the_matches_are_shown_by_either_spelling() {
        for key in ["duplicateResut", "duplicateResult"] {
            let errors = decode_errors(body(key, true).as_bytes());
            assert_eq!(errors[0].code, "DUPLICATES_DETECTED");
            assert_eq!(
                errors[0].message,
                "Use one of these records? (Standard_Lead_Duplicate_Rule alerts; it found \
                 00Q000000000001AAA)"
            );
            let errors = decode_errors(body(key, false).as_bytes());
            assert!(errors[0].message.contains(" blocks;"), "{errors:?}");
        }
    }

    #[test]
    fn matches_that_the_user_may_not_see_are_told_with_what_to_do() {
        let body = r#"[{"duplicateResut":{"allowSave":false,"duplicateRule":"R","matchResults":
            [{"matchRecords":[{"record":null}],"size":1}]},
            "errorCode":"DUPLICATES_DETECTED","message":"m"}]"#;
        let message = &decode_errors(body.as_bytes())[0].message;
        assert!(message.starts_with("m (R blocks; "), "{message}");
        assert!(message.contains("give it read access"), "{message}");
    }

    #[test]
    fn details_of_another_shape_cost_nothing_but_themselves() {
        for details in ["null", "{}", "7", r#"{"matchResults":"none"}"#] {
            let body = format!(
                r#"[{{"duplicateResult":{details},"errorCode":"DUPLICATES_DETECTED","message":"m"}}]"#
            );
            let errors = decode_errors(body.as_bytes());
            assert!(errors[0].message.starts_with('m'), "{details}: {errors:?}");
            assert_eq!(errors[0].code, "DUPLICATES_DETECTED");
        }
    }
}
