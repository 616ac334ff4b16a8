//! What a graph may hold: its limits and how their violation is worded (facts 4).
//!
//! Depth is the number of subrequests in the longest chain of references. Kinds differ by method, version or object.
use std::collections::{HashMap, HashSet};

use super::parse::{MAX_GRAPHS, MAX_NODES, Sequence};
use super::part::Part;
use super::reference::references;
use crate::org::Refusal;

const MAX_DEPTH: usize = 15;
const MAX_KINDS: usize = 15;

/// Seen in the field.
pub(super) fn too_many_graphs() -> Refusal {
    reached(MAX_GRAPHS, "number of graphs in Graph Api")
}

/// Seen in the field.
pub(super) fn too_many_nodes() -> Refusal {
    reached(MAX_NODES, "number of Nodes in the Graph")
}

/// Refuses a graph that is deeper than allowed.
pub(super) fn too_deep(parts: &[Part]) -> Option<Refusal> {
    let mut depths: HashMap<&str, usize> = HashMap::with_capacity(parts.len());
    let mut deepest = 0;
    for part in parts {
        let texts = [part.url.as_str(), part.body_text()];
        let below = texts
            .into_iter()
            .flat_map(references)
            .filter_map(|reference| depths.get(reference.name()))
            .max();
        let depth = below.copied().unwrap_or(0) + 1;
        deepest = deepest.max(depth);
        depths.insert(&part.reference, depth);
    }
    (deepest > MAX_DEPTH).then(|| reached(MAX_DEPTH, "depth of the Graph"))
}

/// Refuses a call whose subrequests are of more kinds than allowed.
pub(super) fn too_many_kinds(sequences: &[Sequence]) -> Option<Refusal> {
    let kinds: HashSet<_> = sequences
        .iter()
        .flat_map(|sequence| &sequence.parts)
        .map(|part| {
            let (version, below) = part.path();
            let object = below.get(1).map(|object| object.to_ascii_lowercase());
            (part.method, version.to_owned(), object)
        })
        .collect();
    (kinds.len() > MAX_KINDS).then(|| reached(MAX_KINDS, "number of different Nodes in the Graph"))
}

fn reached(most: usize, what: &str) -> Refusal {
    Refusal::new(
        "LIMIT_EXCEEDED",
        format!("Limit of {most} reached for {what}"),
    )
}
