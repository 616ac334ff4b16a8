//! `/__sandbox/leads/{id}/…`: what others do to leads while a client is not looking.
use serde::Deserialize;
use serde_json::{Map, Value};

use super::call::Request;
use super::reply::Reply;
use crate::org::{Administrator, Org, Refusal, Refused};

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Lock {
    /// Writes to be refused; all until it is released, when absent.
    writes: Option<u32>,
}

/// Answers a request below `/__sandbox/leads`; `path` is what follows it.
pub(super) fn answer(org: &Org, request: &Request, path: &[&str]) -> Reply {
    let administrator = Administrator::new(org);
    let done = match (request.method.as_str(), path) {
        ("POST", [id, "convert"]) => administrator.convert(id),
        ("PATCH", [id]) => match read::<Map<String, Value>>(request) {
            Ok(fields) => administrator.change(id, &fields),
            Err(reply) => return reply,
        },
        ("DELETE", [id]) => administrator.delete(id),
        ("POST", [id, "undelete"]) => administrator.undelete(id),
        ("POST", [id, "lock"]) if request.body.is_empty() => administrator.lock(id, None),
        ("POST", [id, "lock"]) => match read::<Lock>(request) {
            Ok(lock) => administrator.lock(id, lock.writes),
            Err(reply) => return reply,
        },
        ("DELETE", [id, "lock"]) => administrator.unlock(id),
        ("POST", [id, "approval"]) => administrator.set_approval(id, true),
        ("DELETE", [id, "approval"]) => administrator.set_approval(id, false),
        (method, [_] | [_, "convert" | "undelete" | "lock" | "approval"]) => {
            return Reply::method_not_allowed(method, "POST,PATCH,DELETE");
        }
        _ => return Reply::error(404, &Refusal::not_found()),
    };
    match done {
        Ok(()) => Reply::empty(204),
        Err(Refused { code, message }) => {
            let status = if code == "NOT_FOUND" { 404 } else { 400 };
            let refusal = Refusal {
                code: code.into(),
                ..Refusal::new("", message)
            };
            Reply::error(status, &refusal)
        }
    }
}

fn read<'r, T: Deserialize<'r>>(request: &'r Request) -> Result<T, Reply> {
    // A page in a browser cannot send this content type to another site without asking first.
    request.must_be_json()?;
    serde_json::from_slice(&request.body)
        .map_err(|error| Reply::error(400, &Refusal::parser(error.to_string())))
}
