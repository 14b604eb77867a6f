//! The executor that a function takes as its argument.
//!
//! It is known by the names of its type, as the function writes them. That is all that a macro sees; if a name means
//! something else, the compiler says so where the function is passed to its runner.

use proc_macro2::{Ident, Span};
use syn::punctuated::Punctuated;
use syn::{FnArg, GenericArgument, PathArguments, PathSegment, Token, Type};

/// The forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Executor {
    /// `&Executor`
    Borrowed,
    /// `Arc<Executor>`
    Shared,
    /// `&LocalExecutor`
    LocalBorrowed,
    /// `Rc<LocalExecutor>`
    LocalShared,
}

impl Executor {
    /// What a function with these arguments takes, if it is one executor.
    pub(crate) fn of(inputs: &Punctuated<FnArg, Token![,]>) -> Option<Self> {
        let (Some(FnArg::Typed(argument)), 1) = (inputs.first(), inputs.len()) else {
            return None;
        };
        if let Type::Reference(reference) = &*argument.ty {
            let name = &last(&reference.elem)?.ident;
            return match () {
                () if reference.mutability.is_some() => None,
                () if name == "Executor" => Some(Self::Borrowed),
                () if name == "LocalExecutor" => Some(Self::LocalBorrowed),
                () => None,
            };
        }
        let pointer = last(&argument.ty)?;
        let PathArguments::AngleBracketed(arguments) = &pointer.arguments else {
            return None;
        };
        let Some(GenericArgument::Type(target)) = arguments.args.first() else {
            return None;
        };
        let name = &last(target)?.ident;
        match () {
            () if pointer.ident == "Arc" && name == "Executor" => Some(Self::Shared),
            () if pointer.ident == "Rc" && name == "LocalExecutor" => Some(Self::LocalShared),
            () => None,
        }
    }

    /// The name of what makes the executor and runs the function, in `gort::__private`.
    pub(crate) fn runner(self) -> Ident {
        let name = match self {
            Self::Borrowed => "with_executor",
            Self::Shared => "with_shared_executor",
            Self::LocalBorrowed => "with_local_executor",
            Self::LocalShared => "with_shared_local_executor",
        };
        Ident::new(name, Span::call_site())
    }
}

/// The last part of a path.
fn last(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn the_forms_are_known_by_their_names() {
        let of = |signature: syn::Signature| Executor::of(&signature.inputs);
        assert_eq!(
            of(parse_quote!(fn f(ex: &Executor))),
            Some(Executor::Borrowed)
        );
        assert_eq!(
            of(parse_quote!(fn f(_: Arc<smol::Executor<'static>>))),
            Some(Executor::Shared)
        );
        assert_eq!(
            of(parse_quote!(fn f(ex: &'_ gort::LocalExecutor<'_>))),
            Some(Executor::LocalBorrowed)
        );
        assert_eq!(
            of(parse_quote!(fn f(ex: std::rc::Rc<LocalExecutor<'static>>))),
            Some(Executor::LocalShared)
        );
    }

    #[test]
    fn nothing_else_is_taken_for_one() {
        let of = |signature: syn::Signature| Executor::of(&signature.inputs);
        assert_eq!(of(parse_quote!(fn f())), None);
        assert_eq!(of(parse_quote!(fn f(ex: &mut Executor))), None);
        assert_eq!(of(parse_quote!(fn f(ex: Executor))), None);
        assert_eq!(of(parse_quote!(fn f(ex: Rc<Executor>))), None);
        assert_eq!(of(parse_quote!(fn f(ex: Arc<Mutex<Executor>>))), None);
        assert_eq!(of(parse_quote!(fn f(ex: &Executor, more: u8))), None);
        assert_eq!(of(parse_quote!(fn f(&self))), None);
        assert_eq!(of(parse_quote!(fn f(text: &str))), None);
    }
}
