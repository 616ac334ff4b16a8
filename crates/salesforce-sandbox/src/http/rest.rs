//! The REST API's front door: version, session, quota, then the resource.
use super::call::{Call, Request};
use super::composite::{self, Family, tree};
use super::reply::Reply;
use super::work::{self, Work};
use super::{collections, faulted, jobs, limits, objects, query, resources, rows};
use crate::org::{Identity, Org, Refusal, Visibility};
use crate::schema::ObjectKind;

/// Oldest and newest callable version.
pub(super) const VERSIONS: std::ops::RangeInclusive<u32> = 31..=67;

/// Answers everything below `/services/data/{version}`; every reply carries `Sforce-Limit-Info` (facts 6.2).
pub(super) async fn answer(org: &Org, call: &mut Call, version: &str, rest: &[&str]) -> Reply {
    let reply = admit(org, call, version, rest).await;
    limits::tell(org, call.app, reply)
}

/// Whose session the call's token is; the token is noted in the call.
pub(super) fn authenticate(org: &Org, call: &mut Call) -> Result<Identity, Reply> {
    let Some(header) = call.request.header("authorization") else {
        return Err(faulted::session_expired());
    };
    let Some(token) = bearer(header) else {
        return Err(Reply::error(
            401,
            &Refusal::new("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE"),
        ));
    };
    let identity = org.sessions().touch(&token, org.clock.monotonic_micros());
    call.token = Some(token);
    identity.ok_or_else(faulted::session_expired)
}

/// The token of an Authorization header; both schemes are taken, in any case.
pub(super) fn bearer(header: &str) -> Option<String> {
    let (scheme, token) = header.trim().split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth"))
        .then(|| token.trim().to_owned())
}

async fn admit(org: &Org, call: &mut Call, version: &str, rest: &[&str]) -> Reply {
    let number = match callable_version(version) {
        Ok(number) => number,
        Err(reply) => return reply,
    };
    let identity = match authenticate(org, call) {
        Ok(identity) => identity,
        Err(reply) => return reply,
    };
    call.app = identity.app;
    let _in_progress = match limits::admit(org, call.app) {
        Ok(guard) => guard,
        Err(refusal) => return Reply::error(403, &refusal),
    };
    // No escape of UTF-8 text, or characters that no value holds: there is no such resource (inference).
    let is_strange = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER;
    if rest.iter().any(|segment| segment.contains(is_strange)) {
        return Reply::error(404, &Refusal::not_found());
    }
    if let ["jobs"] = rest {
        return resources::jobs(&call.request, number);
    }
    if let ["jobs", rest @ ..] = rest {
        return jobs::answer(org, call, identity, number, rest).await;
    }
    dispatch(org, call, number, rest).await
}

/// The version of a path, unless it is unknown or retired.
pub(super) fn callable_version(version: &str) -> Result<u32, Reply> {
    match parse_version(version) {
        Some(number) if number < *VERSIONS.start() => {
            let text = format!("API version {number}.0 is retired and no longer supported.");
            Err(Reply::error(410, &Refusal::new("GONE", text)))
        }
        Some(number) if number <= *VERSIONS.end() => Ok(number),
        _ => Err(Reply::error(404, &Refusal::not_found())),
    }
}

async fn dispatch(org: &Org, call: &mut Call, version: u32, rest: &[&str]) -> Reply {
    let Call {
        request,
        token,
        app,
        ticket,
        ..
    } = call;
    if let Some(family) = Family::of(request, version, rest) {
        let sent = composite::Sent {
            family,
            request,
            version,
            token: token.as_deref(),
            app: *app,
        };
        return composite::answer(org, sent, &mut ticket.record).await;
    }
    match understand(org, request, version, rest) {
        Ok(work) => work::run(org, token.as_deref(), &mut ticket.record, work).await,
        Err(reply) => reply,
    }
}

/// What a request to a resource asks for; `rest` is its path below the version.
pub(super) fn understand<'r>(
    org: &'r Org,
    request: &'r Request,
    version: u32,
    rest: &[&'r str],
) -> Result<Work<'r>, Reply> {
    let not_found = || Err(Reply::error(404, &Refusal::not_found()));
    match rest {
        ["composite"] => Ok(Work::read_fixed(move |_| composite::list(request, version))),
        ["composite", "tree", object]
            if object.eq_ignore_ascii_case("Lead") && version >= tree::SINCE_VERSION =>
        {
            tree::understand(org, request)
        }
        ["composite", "sobjects", rest @ ..] => {
            collections::understand(org, request, version, rest)
        }
        // This org has no page layouts.
        ["sobjects", _, "describe", _, ..] => not_found(),
        ["sobjects", object, row @ ..] => match ObjectKind::named(object) {
            Some(ObjectKind::Lead) => rows::understand(org, request, version, row),
            Some(other) => objects::understand(org, request, version, other, row),
            None => not_found(),
        },
        ["sobjects"] => Ok(Work::read_fixed(move |org| {
            resources::objects(org, request, version)
        })),
        ["query"] => query::query(org, request, version, Visibility::Live),
        ["queryAll"] => query::query(org, request, version, Visibility::WithDeleted),
        ["query" | "queryAll", place] => query::next_page(request, version, place),
        ["recent"] => Ok(Work::read_fixed(move |_| resources::recent(request))),
        ["limits"] => Ok(Work::read_fixed(move |org| {
            resources::only_get(request, || limits::limits(org, version))
        })),
        ["limits", "recordCount"] if version >= limits::COUNTS_SINCE => {
            Ok(Work::read_fixed(move |org| {
                resources::only_get(request, || limits::record_count(org, request))
            }))
        }
        [] => Ok(Work::read_fixed(move |org| {
            resources::resources(org, request, version)
        })),
        _ => not_found(),
    }
}

/// `v67.0` to 67.
pub(super) fn parse_version(text: &str) -> Option<u32> {
    text.strip_prefix('v')?.strip_suffix(".0")?.parse().ok()
}
