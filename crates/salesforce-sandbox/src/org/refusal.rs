//! A refusal as Salesforce words it: code, message, fields.
use std::borrow::Cow;

use serde_json::{Value, json};

/// Why a request or a record was refused.
///
/// The code is shown as `errorCode` when it refuses a request and as `statusCode` when it refuses a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
    pub(crate) fields: Vec<String>,
    /// A further key that request-level errors show; records of collections never do (facts 7.3).
    pub(crate) details: Option<Box<(&'static str, Value)>>,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal {
            code: Cow::Borrowed(code),
            message: message.into(),
            fields: Vec::new(),
            details: None,
        }
    }

    pub(crate) fn with_details(self, key: &'static str, value: Value) -> Refusal {
        Refusal {
            details: Some(Box::new((key, value))),
            ..self
        }
    }

    pub(crate) fn record(
        code: &'static str,
        message: impl Into<String>,
        fields: &[&str],
    ) -> Refusal {
        Refusal {
            fields: fields.iter().map(|f| (*f).into()).collect(),
            ..Refusal::new(code, message)
        }
    }

    pub(crate) fn parser(message: impl Into<String>) -> Refusal {
        Refusal::new("JSON_PARSER_ERROR", message)
    }

    pub(crate) fn not_found() -> Refusal {
        Refusal::new("NOT_FOUND", "The requested resource does not exist")
    }

    /// A condition in the headers does not hold; code and text are an inference.
    pub(crate) fn precondition() -> Refusal {
        let text =
            "The request was not executed because a precondition in its headers was not satisfied.";
        Refusal::new("PRECONDITION_FAILED", text)
    }

    /// The text for an unknown key field; Salesforce uses it for unknown ids too, with the id at the end (facts 2).
    pub(crate) fn no_such_key(what: &str) -> Refusal {
        Refusal::new(
            "NOT_FOUND",
            format!("Provided external ID field does not exist or is not accessible: {what}"),
        )
    }

    /// For a lead in the recycle bin.
    pub(crate) fn deleted() -> Refusal {
        Refusal::new("ENTITY_IS_DELETED", "entity is deleted")
    }

    /// For a lead that is read-only.
    pub(crate) fn converted() -> Refusal {
        let text = "cannot reference converted lead";
        Refusal::new("CANNOT_UPDATE_CONVERTED_LEAD", text)
    }

    /// For a well-formed id of no record.
    pub(crate) fn unknown_id() -> Refusal {
        Refusal::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    }

    /// For a name that is no field, or none that the user may see.
    pub(crate) fn no_such_column(name: &str) -> Refusal {
        let text = format!("No such column '{name}' on sobject of type Lead");
        Refusal::new("INVALID_FIELD", text)
    }

    /// As an element of a request-level error array; `fields` only when there are any.
    pub(crate) fn request_json(&self) -> Value {
        let mut object = json!({ "message": self.message, "errorCode": self.code });
        if !self.fields.is_empty() {
            object["fields"] = json!(self.fields);
        }
        if let Some(details) = &self.details {
            let (key, value) = details.as_ref();
            object[*key] = value.clone();
        }
        object
    }

    /// As an element of a record's `errors`.
    pub(crate) fn record_json(&self) -> Value {
        json!({ "statusCode": self.code, "message": self.message, "fields": self.fields })
    }
}
