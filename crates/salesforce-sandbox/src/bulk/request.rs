//! What a client asks for when it creates a job (facts 5.1), checked against the schema.
//!
//! Refusals carry the upper-cased codes of the Bulk API (facts 5.5). Which code goes with which mistake, and the
//! texts, are inference but for the missing external id.
use serde::Deserialize;

use super::dialect::{Delimiter, Dialect, LineEnding};
use crate::json::parse_plain;
use crate::org::{Refusal, id};
use crate::rules::Assignments;
use crate::schema::Schema;

/// First versions with ingest jobs, with query jobs and with assignment rules in jobs.
pub(crate) const INGEST_SINCE_VERSION: u32 = 41;
pub(crate) const QUERY_SINCE_VERSION: u32 = 47;
const ASSIGNMENT_SINCE_VERSION: u32 = 49;
/// Key prefix of assignment rules.
const ASSIGNMENT_RULE: &str = "01Q";

/// What an ingest job does with each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Insert,
    Update,
    /// By this field.
    Upsert(u16),
    Delete,
    /// Without the recycle bin.
    HardDelete,
}

impl Operation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Operation::Insert => "insert",
            Operation::Update => "update",
            Operation::Upsert(_) => "upsert",
            Operation::Delete => "delete",
            Operation::HardDelete => "hardDelete",
        }
    }
}

/// An accepted ingest job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IngestRequest {
    pub(super) operation: Operation,
    /// As the client spelt it.
    pub(super) external_id_field: Option<String>,
    pub(super) assignment_rule: Option<String>,
    pub(super) dialect: Dialect,
}

/// An accepted query job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryRequest {
    pub(super) soql: String,
    /// `queryAll`: deleted leads too.
    pub(super) all: bool,
    pub(super) dialect: Dialect,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IngestBody {
    object: Option<String>,
    operation: Option<String>,
    external_id_field_name: Option<String>,
    content_type: Option<String>,
    column_delimiter: Option<String>,
    line_ending: Option<String>,
    assignment_rule_id: Option<String>,
    concurrency_mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct QueryBody {
    operation: Option<String>,
    query: Option<String>,
    content_type: Option<String>,
    column_delimiter: Option<String>,
    line_ending: Option<String>,
    concurrency_mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateBody {
    state: String,
}

impl IngestRequest {
    /// Parses the body of `POST /jobs/ingest`.
    pub(crate) fn parse(
        schema: &Schema,
        body: &[u8],
        version: u32,
        hard_delete: bool,
    ) -> Result<IngestRequest, Refusal> {
        let body: IngestBody = parse_plain(body)?;
        match body.object.as_deref().unwrap_or_default() {
            "" => {
                return Err(invalid_job(
                    "The object of the job is not specified.".into(),
                ));
            }
            object if object.eq_ignore_ascii_case("Lead") => {}
            other => {
                let text = format!("Unable to find object: {other}");
                return Err(Refusal::new("INVALIDENTITY", text));
            }
        }
        check_modes(
            body.content_type.as_deref(),
            body.concurrency_mode.as_deref(),
        )?;
        let dialect = dialect(
            body.column_delimiter.as_deref(),
            body.line_ending.as_deref(),
        )?;
        let external_id_field = body.external_id_field_name.filter(|name| !name.is_empty());
        let operation = match body.operation.as_deref().unwrap_or_default() {
            "insert" => Operation::Insert,
            "update" => Operation::Update,
            "upsert" => Operation::Upsert(upsert_key(schema, external_id_field.as_deref())?),
            "delete" => Operation::Delete,
            "hardDelete" if hard_delete => Operation::HardDelete,
            "hardDelete" => {
                let text = "hardDelete operation requires special user profile permission, please contact your system \
                            administrator";
                return Err(Refusal::new("FEATURENOTENABLED", text));
            }
            "" => {
                return Err(invalid_job(
                    "The operation of the job is not specified.".into(),
                ));
            }
            other => return Err(invalid_job(format!("Unknown operation: {other}"))),
        };
        if let Some(rule) = &body.assignment_rule_id {
            if version < ASSIGNMENT_SINCE_VERSION {
                return Err(unrecognized("assignmentRuleId"));
            }
            if !rule.starts_with(ASSIGNMENT_RULE) || !id::is_well_formed(rule) {
                return Err(invalid_job(format!("Invalid assignmentRuleId: {rule}")));
            }
        }
        Ok(IngestRequest {
            operation,
            external_id_field,
            assignment_rule: body.assignment_rule_id,
            dialect,
        })
    }

    /// Refuses a job whose assignment rule the org does not have.
    pub(crate) fn check_assignment(&self, rules: &Assignments) -> Result<(), Refusal> {
        match self.assignment_rule.as_deref() {
            Some(rule) if rules.by_id(rule).is_err() => {
                Err(invalid_job(format!("Invalid assignmentRuleId: {rule}")))
            }
            _ => Ok(()),
        }
    }
}

impl QueryRequest {
    /// Parses the body of `POST /jobs/query`; the query itself is judged elsewhere.
    pub(crate) fn parse(body: &[u8]) -> Result<QueryRequest, Refusal> {
        let body: QueryBody = parse_plain(body)?;
        check_modes(
            body.content_type.as_deref(),
            body.concurrency_mode.as_deref(),
        )?;
        let all = match body.operation.as_deref().unwrap_or_default() {
            "query" => false,
            "queryAll" => true,
            "" => {
                return Err(invalid_job(
                    "The operation of the job is not specified.".into(),
                ));
            }
            other => return Err(invalid_job(format!("Unknown operation: {other}"))),
        };
        match body.query.filter(|query| !query.trim().is_empty()) {
            Some(soql) => Ok(QueryRequest {
                soql,
                all,
                dialect: dialect(
                    body.column_delimiter.as_deref(),
                    body.line_ending.as_deref(),
                )?,
            }),
            None => Err(invalid_job("The query of the job is not specified.".into())),
        }
    }
}

/// The `state` that a PATCH asks for.
pub(crate) fn parse_state(body: &[u8]) -> Result<String, Refusal> {
    parse_plain::<StateBody>(body).map(|body| body.state)
}

fn unrecognized(name: &str) -> Refusal {
    Refusal::parser(format!("Unrecognized field \"{name}\""))
}

fn check_modes(content_type: Option<&str>, concurrency: Option<&str>) -> Result<(), Refusal> {
    match content_type {
        None | Some("CSV") => {}
        Some(other) => return Err(invalid_job(format!("Invalid contentType: {other}"))),
    }
    match concurrency {
        None | Some("Parallel") => Ok(()),
        // There is no serial mode in Bulk API 2.0 (facts 5.5).
        Some(other) => Err(invalid_job(format!("Invalid concurrencyMode: {other}"))),
    }
}

fn dialect(delimiter: Option<&str>, ending: Option<&str>) -> Result<Dialect, Refusal> {
    let delimiter = match delimiter {
        None => Delimiter::default(),
        Some(name) => Delimiter::parse(name)
            .ok_or_else(|| invalid_job(format!("Invalid columnDelimiter: {name}")))?,
    };
    let ending = match ending {
        None => LineEnding::default(),
        Some(name) => LineEnding::parse(name)
            .ok_or_else(|| invalid_job(format!("Invalid lineEnding: {name}")))?,
    };
    Ok(Dialect { delimiter, ending })
}

fn upsert_key(schema: &Schema, name: Option<&str>) -> Result<u16, Refusal> {
    let Some(name) = name else {
        let text = "External ID was blank for Lead. An External ID must be specified for upsert.";
        return Err(invalid_job(text.into()));
    };
    schema
        .find(name)
        .filter(|field| schema.field(*field).is_upsert_key())
        .ok_or_else(|| {
            invalid_job(format!(
                "Field name provided, {name} does not match an External ID, Salesforce Id, or indexed field for Lead"
            ))
        })
}

fn invalid_job(message: String) -> Refusal {
    Refusal::new("INVALIDJOB", message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::OrgConfig;

    fn parse(body: &Value, version: u32) -> Result<IngestRequest, Refusal> {
        let schema = Schema::new(&OrgConfig::default());
        IngestRequest::parse(&schema, body.to_string().as_bytes(), version, false)
    }

    #[track_caller]
    fn check(changes: Value, code: &str, text: &str) {
        let mut body = json!({ "object": "Lead", "operation": "insert" });
        for (key, value) in changes.as_object().unwrap() {
            body[key] = value.clone();
        }
        let refusal = parse(&body, 67).unwrap_err();
        assert_eq!(refusal.code, code, "{refusal:?}");
        assert!(refusal.message.starts_with(text), "{refusal:?}");
    }

    #[test]
    fn everything_but_object_and_operation_has_a_default() {
        let found = parse(&json!({ "object": "Lead", "operation": "insert" }), 67).unwrap();
        assert_eq!(found.operation, Operation::Insert);
        assert_eq!(found.dialect, Dialect::default());
        let body = json!({
            "object": "lead", "operation": "upsert", "externalIdFieldName": "mysql_id__c", "contentType": "CSV",
            "columnDelimiter": "TAB", "lineEnding": "CRLF", "assignmentRuleId": "01QHp0000000001",
            "concurrencyMode": "Parallel",
        });
        let found = parse(&body, 67).unwrap();
        assert!(matches!(found.operation, Operation::Upsert(_)));
        assert_eq!(found.external_id_field.as_deref(), Some("mysql_id__c"));
        assert_eq!(found.dialect.delimiter, Delimiter::Tab);
        assert_eq!(found.dialect.ending, LineEnding::CrLf);
        let nulls = json!({ "object": "Lead", "operation": "delete", "externalIdFieldName": null,
                            "contentType": null, "columnDelimiter": null, "lineEnding": null });
        assert_eq!(parse(&nulls, 67).unwrap().operation, Operation::Delete);
    }

    #[test]
    fn mistakes_are_told_with_the_codes_of_the_bulk_api() {
        check(
            json!({ "object": "Leed" }),
            "INVALIDENTITY",
            "Unable to find",
        );
        check(json!({ "object": null }), "INVALIDJOB", "The object");
        check(json!({ "operation": null }), "INVALIDJOB", "The operation");
        check(
            json!({ "operation": "merge" }),
            "INVALIDJOB",
            "Unknown operation",
        );
        check(
            json!({ "operation": "hardDelete" }),
            "FEATURENOTENABLED",
            "hardDelete",
        );
        check(
            json!({ "operation": "upsert" }),
            "INVALIDJOB",
            "External ID was blank for Lead.",
        );
        for field in ["LastName", "Foo__c"] {
            let changes = json!({ "operation": "upsert", "externalIdFieldName": field });
            check(changes, "INVALIDJOB", "Field name provided, ");
        }
        check(
            json!({ "contentType": "JSON" }),
            "INVALIDJOB",
            "Invalid contentType",
        );
        check(
            json!({ "columnDelimiter": "," }),
            "INVALIDJOB",
            "Invalid columnD",
        );
        check(
            json!({ "lineEnding": "CR" }),
            "INVALIDJOB",
            "Invalid lineEnding",
        );
        check(
            json!({ "concurrencyMode": "Serial" }),
            "INVALIDJOB",
            "Invalid conc",
        );
        for rule in ["01Q", "00QHp0000000001AAA"] {
            check(
                json!({ "assignmentRuleId": rule }),
                "INVALIDJOB",
                "Invalid assign",
            );
        }
        check(
            json!({ "query": "SELECT Id FROM Lead" }),
            "JSON_PARSER_ERROR",
            "Unrecognized field \"query\"",
        );
        check(
            json!({ "object": 7 }),
            "JSON_PARSER_ERROR",
            "Cannot deserialize the request body at [line:1, column:",
        );
        let rule = json!({ "object": "Lead", "operation": "insert", "assignmentRuleId": "01QHp0000000001" });
        assert_eq!(parse(&rule, 48).unwrap_err().code, "JSON_PARSER_ERROR");
        assert!(parse(&rule, 49).is_ok());
    }

    #[test]
    fn queries_need_an_operation_and_a_text() {
        let parse = |body: Value| QueryRequest::parse(body.to_string().as_bytes());
        let soql = "SELECT Id FROM Lead";
        let found = parse(json!({ "operation": "queryAll", "query": soql })).unwrap();
        assert!(found.all);
        assert_eq!(found.soql, soql);
        for body in [
            json!({ "query": soql }),
            json!({ "operation": "insert", "query": soql }),
            json!({ "operation": "query" }),
            json!({ "operation": "query", "query": " " }),
            json!({ "operation": "query", "query": soql, "lineEnding": "CR" }),
        ] {
            assert_eq!(parse(body).unwrap_err().code, "INVALIDJOB");
        }
    }

    #[test]
    fn bodies_that_are_no_json_are_refused() {
        for body in [&b""[..], b" ", b"{", b"[]", b"{}x", b"\xff"] {
            assert_eq!(parse_state(body).unwrap_err().code, "JSON_PARSER_ERROR");
        }
        assert_eq!(parse_state(b"{\"state\":\"Aborted\"}").unwrap(), "Aborted");
    }
}
