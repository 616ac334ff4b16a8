//! The REST API's front door: version, session, quota, then the resource.
use super::call::{Call, Request};
use super::reply::Reply;
use super::work::{self, Work};
use super::{collections, faulted, limits, resources, rows};
use crate::org::{Org, Refusal};

/// Oldest and newest callable version.
pub(super) const VERSIONS: std::ops::RangeInclusive<u32> = 31..=67;

/// Answers everything below `/services/data/{version}`; every reply carries `Sforce-Limit-Info` (facts 6.2).
pub(super) async fn answer(org: &Org, call: &mut Call, version: &str, rest: &[&str]) -> Reply {
    let reply = admit(org, call, version, rest).await;
    limits::tell(org, call.app, reply)
}

/// The app behind the call's token, which is noted in the call.
pub(super) fn authenticate(org: &Org, call: &mut Call) -> Result<usize, Reply> {
    let Some(header) = call.request.header("authorization") else {
        return Err(faulted::session_expired());
    };
    let token = match header.trim().split_once(' ') {
        Some((scheme, token))
            if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth") =>
        {
            token.trim().to_owned()
        }
        _ => {
            return Err(Reply::error(
                401,
                &Refusal::new("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE"),
            ));
        }
    };
    let app = org
        .sessions()
        .touch(&token, org.idle_micros(), org.clock.monotonic_micros());
    call.token = Some(token);
    app.ok_or_else(faulted::session_expired)
}

async fn admit(org: &Org, call: &mut Call, version: &str, rest: &[&str]) -> Reply {
    let Some(number) = parse_version(version) else {
        return Reply::error(404, &Refusal::not_found());
    };
    if number > *VERSIONS.end() {
        return Reply::error(404, &Refusal::not_found());
    }
    if number < *VERSIONS.start() {
        let text = format!("API version {number}.0 is retired and no longer supported.");
        return Reply::error(410, &Refusal::new("GONE", text));
    }
    call.app = match authenticate(org, call) {
        Ok(app) => Some(app),
        Err(reply) => return reply,
    };
    let _in_progress = match limits::admit(org, call.app) {
        Ok(guard) => guard,
        Err(reply) => return reply,
    };
    dispatch(org, call, number, rest).await
}

async fn dispatch(org: &Org, call: &mut Call, version: u32, rest: &[&str]) -> Reply {
    let Call {
        request,
        token,
        ticket,
        ..
    } = call;
    match understand(org, request, version, rest) {
        Ok(work) => work::run(org, token.as_deref(), &mut ticket.record, work).await,
        Err(reply) => reply,
    }
}

/// What a request to a resource asks for; `rest` is its path below the version.
fn understand<'r>(
    org: &'r Org,
    request: &'r Request,
    version: u32,
    rest: &[&'r str],
) -> Result<Work<'r>, Reply> {
    let not_found = || Err(Reply::error(404, &Refusal::not_found()));
    match rest {
        ["composite", "sobjects", object, key_field] => {
            if !object.eq_ignore_ascii_case("Lead") || version < collections::SINCE_VERSION {
                return not_found();
            }
            collections::upsert(org, request, key_field)
        }
        ["sobjects", object, "describe"] if object.eq_ignore_ascii_case("Lead") => {
            Ok(Work::read(move |org, _| {
                resources::describe(org, request, version)
            }))
        }
        ["sobjects", object] if object.eq_ignore_ascii_case("Lead") && request.method == "GET" => {
            Ok(Work::read(move |_, _| resources::lead(request, version)))
        }
        ["sobjects", object, row @ ..] if object.eq_ignore_ascii_case("Lead") => {
            rows::understand(org, request, version, row)
        }
        ["sobjects"] => Ok(Work::read(move |_, _| resources::objects(request, version))),
        ["limits"] => Ok(Work::read(move |org, store| {
            resources::only_get(request, || limits::limits(org, store, version))
        })),
        ["limits", "recordCount"] if version >= limits::COUNTS_SINCE => {
            Ok(Work::read(move |_, store| {
                resources::only_get(request, || limits::record_count(store, request))
            }))
        }
        [] => Ok(Work::read(move |_, _| {
            resources::resources(request, version)
        })),
        _ => not_found(),
    }
}

/// `v67.0` to 67.
fn parse_version(text: &str) -> Option<u32> {
    text.strip_prefix('v')?.strip_suffix(".0")?.parse().ok()
}
