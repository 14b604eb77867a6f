//! The macro `#[derive(Trace)]` of [gort-gc](https://docs.rs/gort-gc).
//!
//! Use it through that crate, which re-exports it beside the trait. `input` reads and checks a definition, `expand` writes
//! the code, `error` collects what is wrong.
//!
//! # What the expansion guarantees
//!
//! `Trace` is an unsafe trait; what its documentation asks of an implementation holds here for these reasons.
//!
//! 1. *Every edge is traced.* The body takes `self` apart with a pattern that names every field, and hands each to a generic
//!    function, whose parameter is inferred from the field itself. So a field that another attribute macro
//!    adds or retypes after this macro has seen the definition is a compile error, or traced as what it really is, and
//!    never reached by a deref coercion.
//! 2. *A field that is not traced holds no edge.* It must outlive `'static`.
//! 3. *`At<'h>` is the same type with another brand.* It is spelled as the type itself with the lifetime and the parameters
//!    replaced, so both are one type once lifetimes are erased.
//! 4. *No user code runs when an object with edges dies.* An implementation of `Drop` would overlap with one that the macro
//!    writes.

mod error;
mod expand;
mod input;

use proc_macro::TokenStream;
use quote::quote;

/// Implements `Trace` for a struct or an enum, so that its values can live in the garbage collected heap.
///
/// ```
/// use gort_gc::{Edge, Trace};
///
/// #[derive(Trace)]
/// struct Node<'g, V> {
///     key: u64,
///     value: V,
///     next: Edge<'g, Node<'g, V>>,
///     #[gc(opaque)]
///     since: std::time::Instant,
/// }
/// ```
///
/// # The lifetime
///
/// A type with edges has exactly one lifetime parameter, its *brand*, and passes it on to its fields. A type without edges
/// has none.
///
/// # Type parameters
///
/// A parameter `V` may itself hold edges: the implementation asks for `V: Trace<'g>`. It can have no other bounds, because
/// they would have to hold for every brand; put them on the functions that need them. A parameter that is declared
/// `T: 'static` holds no edges, is not traced, and may have any bounds: wrap its values in `Static`, `Slot` or an opaque
/// field.
///
/// # Attributes
///
/// | on | attribute | meaning |
/// |---|---|---|
/// | a field | `#[gc(opaque)]` | the field is not traced; its type must be `'static` |
/// | the type | `#[gc(crate = path::to::gort_gc)]` | where the crate is, if not at `::gort_gc` |
///
/// # Errors
///
/// These do not compile, each with a message that says what to change: a union; a second lifetime; a bound on a traced
/// parameter; a field whose type is not `Trace`; an opaque field that is not `'static`; an implementation of `Drop` beside
/// the derive, unless the type has neither a lifetime nor a traced parameter.
#[proc_macro_derive(Trace, attributes(gc))]
pub fn derive_trace(item: TokenStream) -> TokenStream {
    expand::derive(item.into(), quote!(::gort_gc)).into()
}

/// The same for users of the crate `gort`, which re-exports this as `gort::gc::Trace`.
#[doc(hidden)]
#[proc_macro_derive(TraceThroughGort, attributes(gc))]
pub fn derive_trace_through_gort(item: TokenStream) -> TokenStream {
    expand::derive(item.into(), quote!(::gort::gc)).into()
}
