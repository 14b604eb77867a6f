//! The values of a context: a list that grows at the front and shares its tail.

use std::any::{Any, TypeId};
use std::sync::Arc;

/// A list of values, at most one of each type to be seen.
#[derive(Clone, Default)]
pub(super) struct Values(Option<Arc<Value>>);

struct Value {
    value: Box<dyn Any + Send + Sync>,
    rest: Values,
}

impl Values {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// Returns the list with `value` in front.
    pub(super) fn with(&self, value: Box<dyn Any + Send + Sync>) -> Self {
        Self(Some(Arc::new(Value {
            value,
            rest: self.clone(),
        })))
    }

    /// Returns the first value of the type.
    pub(super) fn get<T: Any>(&self) -> Option<&T> {
        self.iter().find_map(|value| value.downcast_ref())
    }

    /// Returns how many values can be seen: those that no other of their type hides.
    pub(super) fn len(&self) -> usize {
        let mut types: Vec<TypeId> = self.iter().map(Any::type_id).collect();
        types.sort_unstable();
        types.dedup();
        types.len()
    }

    fn iter(&self) -> impl Iterator<Item = &(dyn Any + Send + Sync)> {
        let mut next = self;
        std::iter::from_fn(move || {
            let first = next.0.as_deref()?;
            next = &first.rest;
            Some(&*first.value)
        })
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        // A list that nobody else has goes step by step, not by recursion.
        let mut rest = self.rest.0.take();
        while let Some(mut value) = rest.and_then(Arc::into_inner) {
            rest = value.rest.0.take();
        }
    }
}
