//! What a duplicate rule found. A collection's answer says that a rule objects and no more; the same
//! upsert of single records, up to 25 in one composite call, says which rule and which leads.
//!
//! The first answer stands unless the second one says more: with details, or because the record was
//! taken this time.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::http::Body;
use super::org::{Call, Org, Trail, auto_assign_header};
use super::{AutoAssign, UpsertCall, UpsertRecord, wire};
use crate::core::outcome::{RecordResult, RequestFailure};

/// Subrequests that a composite call takes (facts: Composite, "25 subrequests").
const AT_ONCE: usize = 25;
const CODE: &str = "DUPLICATES_DETECTED";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Composite<'a> {
    all_or_none: bool,
    composite_request: Vec<Subrequest<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Subrequest<'a> {
    method: &'static str,
    url: String,
    reference_id: String,
    http_headers: SubrequestHeaders,
    body: &'a RawValue,
}

#[derive(Clone, Serialize)]
struct SubrequestHeaders {
    #[serde(rename = "Sforce-Auto-Assign")]
    auto_assign: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answers<'a> {
    #[serde(borrow)]
    composite_response: Vec<SubAnswer<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubAnswer<'a> {
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    http_status_code: u16,
    reference_id: String,
}

#[derive(Deserialize)]
struct Saved {
    id: String,
    #[serde(default)]
    created: bool,
}

impl Org {
    /// Replaces refusals by duplicate rules with what one more call says of them. A failure of that
    /// call changes nothing.
    pub(super) async fn show_matches(
        &self,
        call: &UpsertCall,
        results: &mut [RecordResult],
        trail: &mut Trail,
    ) {
        let bare: Vec<usize> = (0..results.len())
            .filter(|at| is_bare(&results[*at]))
            .take(AT_ONCE)
            .collect();
        if bare.is_empty() || !call.show_matches {
            return;
        }
        let mut own = self.trail();
        match self.ask_matches(call, &bare, &mut own).await {
            Ok(told) => {
                for (at, result) in told {
                    results[at] = result;
                }
            }
            Err(failure) => {
                tracing::debug!(
                    code = failure.code,
                    "what duplicate rules found is not known"
                );
            }
        }
        trail.api_calls += own.api_calls;
        trail.answered_at = self.now();
    }

    async fn ask_matches(
        &self,
        call: &UpsertCall,
        places: &[usize],
        trail: &mut Trail,
    ) -> Result<Vec<(usize, RecordResult)>, RequestFailure> {
        let header = SubrequestHeaders {
            auto_assign: header_text(&call.auto_assign)?,
        };
        let requests = places.iter().filter_map(|at| {
            let UpsertRecord { key, payload } = &call.records[*at];
            let key = wire::percent_encoded(key);
            Some(Subrequest {
                method: "PATCH",
                url: self.path(&format!(
                    "/sobjects/{}/{}/{key}",
                    call.object, call.external_id
                )),
                reference_id: format!("r{at}"),
                http_headers: header.clone(),
                body: serde_json::from_str(payload).ok()?,
            })
        });
        let composite = Composite {
            all_or_none: false,
            composite_request: requests.collect(),
        };
        let Ok(body) = serde_json::to_vec(&composite) else {
            return Ok(Vec::new());
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = Call {
            method: Method::POST,
            path: self.path("/composite"),
            query: None,
            headers,
            body: Some(Body::Whole(body.into())),
            is_transfer: false,
        };
        let answer = self.make(&request, trail).await?;
        if answer.status != 200 || answer.html {
            return Err(answer.failure());
        }
        Ok(read_answers(&answer.body, places, &call.external_id))
    }
}

fn header_text(auto_assign: &AutoAssign) -> Result<String, RequestFailure> {
    let value = auto_assign_header(auto_assign)?;
    Ok(value.to_str().unwrap_or("FALSE").to_owned())
}

fn is_bare(result: &RecordResult) -> bool {
    let RecordResult::Rejected(rejection) = result else {
        return false;
    };
    let told = |message: &str| message.ends_with(')');
    rejection.code == CODE
        && rejection
            .errors
            .iter()
            .all(|error| error.code == CODE && !told(&error.message))
}

/// What each answer says that is more than was known.
fn read_answers(body: &[u8], places: &[usize], external_id: &str) -> Vec<(usize, RecordResult)> {
    let Ok(answers) = serde_json::from_slice::<Answers<'_>>(body) else {
        return Vec::new();
    };
    let told = answers.composite_response.iter().filter_map(|answer| {
        let at: usize = answer.reference_id.strip_prefix('r')?.parse().ok()?;
        let body = answer.body.map_or("", RawValue::get);
        let result = match answer.http_status_code {
            200 | 201 => {
                let saved: Saved = serde_json::from_str(body).ok()?;
                RecordResult::Delivered {
                    id: wire::full_id(&saved.id)?,
                    created: saved.created,
                }
            }
            _ => {
                let errors = wire::decode_errors(body.as_bytes());
                let rejection = super::classify::record(errors, external_id);
                // Another refusal may be of the composite call's making.
                (rejection.code == CODE).then_some(RecordResult::Rejected(rejection))?
            }
        };
        places.contains(&at).then_some((at, result))
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: &[usize] = &[0, 3];

    fn answer(parts: &str) -> Vec<(usize, RecordResult)> {
        let body = format!(r#"{{"compositeResponse":[{parts}]}}"#);
        read_answers(body.as_bytes(), PLACES, "MySQL_Id__c")
    }

    #[test]
    fn details_and_a_record_that_was_taken_are_more_than_was_known() {
        let told = answer(
            r#"{"body":[{"errorCode":"DUPLICATES_DETECTED","message":"m","duplicateResut":
                {"allowSave":true,"duplicateRule":"R","matchResults":[{"matchRecords":
                [{"record":{"Id":"00Q000000000001AAA"}}]}]}}],"httpHeaders":{},"httpStatusCode":400,
                "referenceId":"r3"},
               {"body":{"id":"00Q000000000002EAA","success":true,"errors":[],"created":true},
                "httpHeaders":{},"httpStatusCode":201,"referenceId":"r0"}"#,
        );
        let RecordResult::Rejected(rejection) = &told[0].1 else {
            panic!("{told:?}");
        };
        assert_eq!(told[0].0, 3);
        assert_eq!(
            rejection.errors[0].message,
            "m (R alerts; it found 00Q000000000001AAA)"
        );
        assert!(!is_bare(&told[0].1));
        assert!(matches!(
            told[1],
            (0, RecordResult::Delivered { created: true, .. })
        ));
    }

    #[test]
    fn what_says_nothing_more_changes_nothing() {
        for part in [
            r#"{"body":null,"httpStatusCode":204,"referenceId":"r0"}"#,
            r#"{"body":[{"errorCode":"NOT_FOUND","message":"m"}],"httpStatusCode":404,"referenceId":"r0"}"#,
            r#"{"body":{"id":"no id"},"httpStatusCode":201,"referenceId":"r0"}"#,
            r#"{"body":{"id":"00Q000000000002EAA"},"httpStatusCode":201,"referenceId":"r7"}"#,
            r#"{"body":{"id":"00Q000000000002EAA"},"httpStatusCode":201,"referenceId":"x"}"#,
        ] {
            assert!(answer(part).is_empty(), "{part}");
        }
        assert!(read_answers(b"<html>", PLACES, "MySQL_Id__c").is_empty());
    }
}
