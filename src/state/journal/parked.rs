//! Parked records, read back from where they lie.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::line::{Decoder, EntryLine, Personal, PersonalLine, parked};
use super::personal::is_erased;
use super::scan::matches_digest;
use super::sealed::open_line;
use super::segment_file::SegmentFile;
use super::segments::present_path;
use crate::core::change::RouteId;
use crate::core::entry::{Image, ParkedRecord, ParkedSpan};
use crate::state::error::Error;
use crate::state::keyring::Keyring;

const READ_BYTES: usize = 256 << 10;

/// Reads a span's records, those in `settled` left out.
pub(super) fn read_parked(
    (folder, routes): (&Path, &[String]),
    keys: Option<&Keyring>,
    span: &ParkedSpan,
    settled: &BTreeSet<u64>,
) -> Result<Vec<ParkedRecord>, Error> {
    let path = present_path(folder, span.place.0);
    let broken = |reason| Error::Parked {
        file: path.clone(),
        first: span.first,
        last: span.first + u64::from(span.count).saturating_sub(1),
        reason,
    };
    let route = routes
        .iter()
        .position(|name| *name == span.route)
        .and_then(|place| u16::try_from(place).ok())
        .ok_or_else(|| Error::UnknownRoute {
            route: span.route.clone(),
        })?;
    let file =
        SegmentFile::open(folder, span.place.0).map_err(|source| Error::read(&path, source))?;
    let end = span.place.1.saturating_add(span.bytes);
    if end > file.len() {
        return Err(broken("the file ends before them"));
    }
    let mut bytes = vec![0; usize::try_from(span.bytes).map_err(|_| broken("they are too many"))?];
    file.reader(span.place.1, end, bytes.len().clamp(1, READ_BYTES))
        .read_exact(&mut bytes)
        .map_err(|source| Error::read(&path, source))?;

    let mut decoder = Decoder::new();
    let mut records = Vec::with_capacity(span.count as usize);
    let mut lines = bytes.split(|byte| *byte == b'\n');
    for serial in span.first..span.first + u64::from(span.count) {
        let (Some(entry), Some(personal)) = (lines.next(), lines.next()) else {
            return Err(broken("a record is missing"));
        };
        let line: EntryLine<'_> =
            serde_json::from_slice(entry).map_err(|_| broken("a line cannot be understood"))?;
        let (found, unknown) = parked(&line).map_err(broken)?;
        if line.t.0 != "parked" || found != serial {
            return Err(broken("another record lies in its place"));
        }
        if settled.contains(&serial) || is_erased(personal) {
            continue;
        }
        if !matches_digest(entry, personal).map_err(broken)? {
            return Err(broken("a payload is missing"));
        }
        let personal = open_line(keys, personal)
            .map_err(|_| broken("they are encrypted under a key that is not at hand"))?;
        let personal: PersonalLine<'_> = serde_json::from_slice(&personal)
            .map_err(|_| broken("a personal line cannot be understood"))?;
        let image = personal
            .x
            .as_ref()
            .map(image)
            .ok_or_else(|| broken("a payload is missing"))?;
        let subject = decoder
            .subject(&line, Arc::new(image), &mut |_| RouteId(route))
            .map_err(broken)?;
        records.push(ParkedRecord {
            serial,
            subject,
            unknown,
        });
    }
    Ok(records)
}

fn image(personal: &Personal<'_>) -> Image {
    Image {
        key: Arc::from(&*personal.k.0),
        payload: Arc::from(json(personal.f).unwrap_or_default()),
        email: personal.m.as_ref().map(|email| Arc::from(&*email.0)),
        row: json(personal.row).map(Arc::from),
    }
}

fn json(raw: Option<&RawValue>) -> Option<&str> {
    raw.map(RawValue::get).filter(|text| *text != "null")
}
