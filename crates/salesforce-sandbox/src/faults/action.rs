//! What a fault does.
use serde::{Deserialize, Serialize};

use super::Preset;

/// What goes wrong. Waits, holds and changes of a reply come together when several faults act on one request; of
/// refusals, and of what replaces a reply, the earliest armed wins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Nothing but the fault's headers.
    Pass {},
    /// The reply takes that much longer; the commit happens before the wait, or after it.
    Delay {
        milliseconds: u64,
        #[serde(default)]
        after_commit: bool,
    },
    /// 401 `INVALID_SESSION_ID`; with `revoke` the session is really gone, else only this reply says so. The message
    /// may be one that no login cures (facts 1.7).
    SessionExpired {
        #[serde(default)]
        revoke: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Any request-level refusal, as a JSON array; nothing is written.
    Refuse {
        status: u16,
        code: String,
        message: String,
    },
    /// A failure that Salesforce is known for; with `commit` the records are written first.
    Preset {
        preset: Preset,
        #[serde(default)]
        commit: bool,
    },
    /// A refusal of the token endpoint. Without a description it is the usual one of an error that has only one
    /// (facts 1.6); an empty one, or null in JSON, is left out of the answer.
    TokenError {
        error: String,
        #[serde(
            default,
            deserialize_with = "left_out_when_null",
            skip_serializing_if = "Option::is_none"
        )]
        description: Option<String>,
    },
    /// An HTML page as a gateway sends it; with `commit` the records are written first.
    Html {
        #[serde(default = "unavailable")]
        status: u16,
        #[serde(default)]
        commit: bool,
    },
    /// The connection is cut without a reply; with `commit` the records are written first.
    Drop {
        #[serde(default)]
        commit: bool,
    },
    /// The request is taken and never answered; with `commit` the records are written.
    Stall {
        #[serde(default)]
        commit: bool,
    },
    /// The client is sent to another instance: `location` is that instance's URL, to which the path is added.
    Redirect {
        location: String,
        #[serde(default = "found")]
        status: u16,
    },
    /// Picked records are refused. Without a message it is the usual one of that code; `{id}` and `{key}` in a
    /// message stand for the lead's id and the record's key.
    RecordError {
        status_code: String,
        #[serde(default)]
        message: String,
        #[serde(default)]
        fields: Vec<String>,
    },
    /// Picked records are refused for several reasons each.
    RecordErrors { errors: Vec<RecordError> },
    /// Any picked key in a request makes the whole request a 400 `JSON_PARSER_ERROR`.
    Poison {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Nothing gets through, as during an outage.
    Down { outage: Outage },
    /// The reply waits until it is released, one by one or all; the commit happens before the wait, or after it.
    Hold {
        #[serde(default)]
        after_commit: bool,
    },
    /// A bulk job ends `Failed` with this `errorMessage` once that many of its rows were processed (or all of them,
    /// when there are fewer). What was written stays written.
    BulkFail {
        #[serde(default)]
        after_rows: u64,
        #[serde(default = "retried_too_often")]
        message: String,
    },
    /// A bulk job waits, `InProgress`, until it is released; after that many of its rows.
    BulkHold {
        #[serde(default)]
        after_rows: u64,
    },
    /// A bulk job waits before each of its chunks of 200 rows.
    BulkDelay { milliseconds: u64 },
    /// The chunks of a bulk job are processed in another order than that of the upload.
    BulkShuffle {},
    /// A bulk job and its results are gone once a client has seen that it ended, as if seven days had passed.
    BulkExpire {},
    /// The reply's body comes in pieces of so many bytes, with so many milliseconds between them.
    Trickle {
        #[serde(default = "few_bytes")]
        bytes: u32,
        #[serde(default = "a_moment")]
        milliseconds: u64,
    },
    /// The reply's headers promise the whole body, and the connection is cut in the middle of it.
    Truncate {},
    /// The reply's body is whole as far as its headers say, but ends in the middle of the JSON.
    Corrupt {},
    /// A list of results is longer or shorter than it should be.
    ResultCount { change: i32 },
}

/// One reason why a record is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordError {
    pub status_code: String,
    /// The usual one of the code when empty.
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub fields: Vec<String>,
}

/// What an outage looks like. For refused connections see `Sandbox::stop_listening`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outage {
    /// The connection is reset.
    Reset,
    /// 503 with an HTML page.
    Unavailable,
    /// Connections are accepted, and nothing is ever answered.
    Stall,
}

fn unavailable() -> u16 {
    503
}

fn retried_too_often() -> String {
    "InternalServerError : Retried more than 20 times".into()
}

fn found() -> u16 {
    302
}

fn few_bytes() -> u32 {
    64
}

fn a_moment() -> u64 {
    100
}

/// An explicit null is the empty text; a key that is not there never gets here.
fn left_out_when_null<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(Some(text.unwrap_or_default()))
}
