//! A route's settings for what is peculiar to leads: conversion and duplicate rules.

use super::mistake::WRONG_VALUE;
use super::reader::{Reader, Table};
use super::{OnConverted, OnDuplicate, Route, Salesforce};

/// First version of the API that knows the header for duplicate rules (REST guide, "Headers").
const DUPLICATE_RULES_SINCE: u32 = 52;

pub(super) fn check_on_converted<'a>(
    reader: &mut Reader<'a>,
    route: &Table<'a>,
) -> Option<OnConverted> {
    let words = [
        ("dead_letter", OnConverted::DeadLetter),
        ("skip", OnConverted::Skip),
    ];
    reader.choice(route, "on_converted", &words, &[])
}

pub(super) fn check_on_duplicate<'a>(
    reader: &mut Reader<'a>,
    route: &Table<'a>,
) -> Option<OnDuplicate> {
    let words = [
        ("dead_letter", OnDuplicate::DeadLetter),
        ("allow", OnDuplicate::Allow),
    ];
    reader.choice(route, "on_duplicate", &words, &[])
}

/// Whether the API version knows what the routes ask for.
pub(super) fn check_version<'a>(
    reader: &mut Reader<'a>,
    root: &Table<'a>,
    salesforce: &Salesforce,
    routes: &[Route],
) -> Option<()> {
    let version = salesforce.api_version.split('.').next();
    let version: u32 = version.and_then(|major| major.parse().ok())?;
    let asks = |route: &&Route| route.on_duplicate == OnDuplicate::Allow;
    if version >= DUPLICATE_RULES_SINCE || !routes.iter().any(|route| asks(&route)) {
        return Some(());
    }
    let table = reader.table(root, "salesforce");
    reader.refuse(
        &table,
        "api_version",
        WRONG_VALUE,
        "must be 52.0 or higher where a route has on_duplicate = \"allow\"",
        "set a newer version, or leave on_duplicate out",
    )
}
