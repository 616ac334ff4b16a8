//! Control requests that change something.
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::{parameters, refused};
use crate::clock::MAX_ADVANCE_SECONDS;
use crate::faults::{Fault, FaultId, HeldId};
use crate::http::call::Request;
use crate::http::reply::Reply;
use crate::org::{Org, Refusal};

/// Faults that may be armed over HTTP. Each is looked at for each request, so there must be an end to them.
const MOST_FAULTS: usize = 1_000;

/// More than any org may do in a day.
const MOST_USED_UP: u64 = 1_000_000_000;

/// `POST /faults`.
pub(super) fn add_fault(org: &Org, request: &Request) -> Result<Reply, Reply> {
    request.must_be_json()?;
    let value = parameters::json(request)?;
    let fault = Fault::from_json(&value).map_err(refused)?;
    let mistakes = fault.mistakes();
    if !mistakes.is_empty() {
        return Err(refused(mistakes));
    }
    if org.faults.count() >= MOST_FAULTS {
        let text = format!("{MOST_FAULTS} faults are armed; disarm some first");
        return Err(refused(vec![text]));
    }
    let id = org.faults.add_sound(fault);
    let seed = org
        .faults
        .list()
        .into_iter()
        .find(|status| status.id == id)
        .and_then(|status| status.fault.seed);
    let answer = match seed {
        Some(seed) => json!({ "id": id, "seed": seed }),
        None => json!({ "id": id }),
    };
    Ok(Reply::json(201, &answer))
}

/// `DELETE /faults/{id}`.
pub(super) fn remove_fault(org: &Org, id: &str) -> Result<Reply, Reply> {
    match id.parse().map(|id| org.faults.remove(FaultId(id))) {
        Ok(true) => Ok(Reply::empty(204)),
        Ok(false) | Err(_) => Err(Reply::error(404, &Refusal::not_found())),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    /// All when absent.
    count: Option<usize>,
    #[serde(default)]
    order: Order,
    ids: Option<Vec<HeldId>>,
}

#[derive(Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    #[default]
    Oldest,
    Newest,
}

/// `POST /release`.
pub(super) fn release(org: &Org, request: &Request) -> Result<Reply, Reply> {
    let Release { count, order, ids } = parameters::body(request)?;
    let released = match ids {
        Some(_) if count.is_some() || order != Order::Oldest => {
            let text = "ids: stands alone; the requests go on in the order of the list";
            return Err(refused(vec![text.into()]));
        }
        Some(ids) => ids
            .into_iter()
            .filter(|id| org.faults.release_one(*id))
            .count(),
        None => {
            let count = count.unwrap_or(usize::MAX);
            match order {
                Order::Oldest => org.faults.release(count),
                Order::Newest => org.faults.release_newest(count),
            }
        }
    };
    Ok(Reply::json(200, &json!({ "released": released })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    on: bool,
}

/// `POST /step`.
pub(super) fn step(org: &Org, request: &Request) -> Result<Reply, Reply> {
    let Step { on } = parameters::body(request)?;
    org.faults.set_step(on);
    Ok(stepping(org))
}

/// `GET /step`.
pub(super) fn stepping(org: &Org) -> Reply {
    let (on, held) = (org.faults.is_stepping(), org.faults.held().len());
    Reply::json(200, &json!({ "on": on, "held": held }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: u64,
}

/// `POST /clock`.
pub(super) fn advance(org: &Org, request: &Request) -> Result<Reply, Reply> {
    let Advance { advance_seconds } = parameters::body(request)?;
    let left = MAX_ADVANCE_SECONDS.saturating_sub(org.clock.advanced_seconds());
    if advance_seconds > left {
        let text = format!(
            "advance_seconds: must be 0 to {left}, not {advance_seconds}: the clock goes no further than 100 years"
        );
        return Err(refused(vec![text]));
    }
    org.clock.advance(Duration::from_secs(advance_seconds));
    Ok(super::views::clock(org))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UseUp {
    #[serde(default)]
    api_calls: u64,
    #[serde(default)]
    bulk_batches: u64,
}

/// `POST /usage`.
pub(super) fn use_up(org: &Org, request: &Request) -> Result<Reply, Reply> {
    let UseUp {
        api_calls,
        bulk_batches,
    } = parameters::body(request)?;
    for (key, count) in [("api_calls", api_calls), ("bulk_batches", bulk_batches)] {
        if count > MOST_USED_UP {
            let text = format!("{key}: must be 0 to {MOST_USED_UP}, not {count}");
            return Err(refused(vec![text]));
        }
    }
    org.use_up(api_calls, bulk_batches);
    Ok(Reply::json(200, &org.usage()))
}
