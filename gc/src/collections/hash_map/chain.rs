//! Chains: the immutable lists that the buckets of a map lead to.
//!
//! A chain is changed by another in its place, which shares its end.

use super::Entry;
use crate::{Gc, Guard, Object, Trace};

/// A part of a chain, or the state of a bucket.
#[derive(Trace)]
pub(super) enum Link<'g, K, V> {
    Pair {
        hash: u64,
        entry: Gc<'g, Entry<K, V>>,
        next: Chain<'g, K, V>,
    },
    Empty,
    Frozen(Chain<'g, K, V>),
    Moved,
}

pub(super) type Chain<'g, K, V> = Option<Gc<'g, Link<'g, K, V>>>;

/// Visits the hashes and entries of a chain.
pub(super) fn links<'g, K, V>(
    mut chain: Chain<'g, K, V>,
) -> impl Iterator<Item = (u64, Gc<'g, Entry<K, V>>)> {
    std::iter::from_fn(move || {
        if let Some(Link::Frozen(frozen)) = chain.map(Gc::as_ref) {
            chain = *frozen;
        }
        match chain?.as_ref() {
            Link::Pair { hash, entry, next } => {
                chain = *next;
                Some((*hash, *entry))
            }
            Link::Empty | Link::Moved | Link::Frozen(_) => None,
        }
    })
}

/// Returns what a new link may point to: a chain, without the link that stands for none.
pub(super) fn some_links<'g, K, V>(chain: Chain<'g, K, V>) -> Chain<'g, K, V> {
    chain.filter(|link| matches!(link.as_ref(), Link::Pair { .. }))
}

/// Finds the first entry of this hash for which `wanted` holds, and returns it with a chain of all others.
#[expect(clippy::type_complexity, reason = "an entry and the rest")]
pub(super) fn without<'g, K: Object<'g>, V: Object<'g>>(
    g: &'g Guard,
    chain: Chain<'g, K, V>,
    hash: u64,
    mut wanted: impl FnMut(&Entry<K, V>) -> bool,
) -> Option<(Gc<'g, Entry<K, V>>, Chain<'g, K, V>)> {
    let before = links(chain).position(|(h, entry)| h == hash && wanted(&entry))?;
    let mut rest = chain;
    let mut found = None;
    for _ in 0..=before {
        let Some(Link::Pair { entry, next, .. }) = rest.map(Gc::as_ref) else {
            unreachable!("links do not change");
        };
        (found, rest) = (Some(*entry), *next);
    }
    for (hash, entry) in links(chain).take(before) {
        let next = rest;
        rest = Some(g.alloc(Link::Pair { hash, entry, next }));
    }
    Some((found?, rest))
}
