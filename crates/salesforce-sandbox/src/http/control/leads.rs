//! `/__sandbox/leads/{id}/…`: what others do to leads while a client is not looking.
use serde::Deserialize;
use serde_json::Value;

use super::{parameters, refused};
use crate::http::call::Request;
use crate::http::reply::Reply;
use crate::org::{Administrator, Org, Refusal, Refused};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lock {
    /// Writes to be refused; all until it is released, when absent.
    writes: Option<u32>,
}

/// What is done to a lead; none for a path or a method that does nothing. `path` is what follows `/__sandbox/leads`.
pub(super) fn act(org: &Org, request: &Request, path: &[&str]) -> Option<Result<Reply, Reply>> {
    let administrator = Administrator::new(org);
    let done = match (request.method.as_str(), path) {
        ("PATCH", [id]) => return Some(change(&administrator, request, id)),
        ("DELETE", [id]) => administrator.delete(id),
        ("POST", [id, "convert"]) => administrator.convert(id),
        ("POST", [id, "undelete"]) => administrator.undelete(id),
        ("POST", [id, "lock"]) => match parameters::body::<Lock>(request) {
            Ok(lock) => administrator.lock(id, lock.writes),
            Err(reply) => return Some(Err(reply)),
        },
        ("DELETE", [id, "lock"]) => administrator.unlock(id),
        ("POST", [id, "approval"]) => administrator.set_approval(id, true),
        ("DELETE", [id, "approval"]) => administrator.set_approval(id, false),
        _ => return None,
    };
    let id = path.first().copied().unwrap_or_default();
    Some(answer(done.map_err(|refused| worded(id, refused))))
}

fn change(administrator: &Administrator<'_>, request: &Request, id: &str) -> Result<Reply, Reply> {
    request.must_be_json()?;
    match parameters::json(request)? {
        Value::Object(fields) => answer(
            administrator
                .change(id, &fields)
                .map_err(|refused| worded(id, refused)),
        ),
        _ => Err(refused(vec!["the body is no object of fields".into()])),
    }
}

/// What the API says of an unknown id reads oddly here.
fn worded(id: &str, refused: Refused) -> Refused {
    if refused.code != "NOT_FOUND" {
        return refused;
    }
    Refused {
        message: format!("there is no lead {id}"),
        ..refused
    }
}

fn answer(done: Result<(), Refused>) -> Result<Reply, Reply> {
    let Err(Refused { code, message }) = done else {
        return Ok(Reply::empty(204));
    };
    let status = if code == "NOT_FOUND" { 404 } else { 400 };
    let refusal = Refusal {
        code: code.into(),
        ..Refusal::new("", message)
    };
    Err(Reply::error(status, &refusal))
}
