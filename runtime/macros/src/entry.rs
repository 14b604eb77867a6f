//! Turns an `async fn` into a plain function that runs it on a runtime.
//!
//! ```text
//! #[gort::main(procs = 2)]          /// Serves.
//! /// Serves.                       fn main() -> Result<()> {
//! async fn main() -> Result<()> {       use ::gort::{Builder as .., __private as ..};
//!     body                              async fn main() -> Result<()> { body }
//! }                                     __private::main(Builder::new().procs(2), main())
//!                                   }
//! ```
//!
//! The user's function stays whole, as a function inside the new one: same tokens, same places,
//! same name. So a type error in it reads as if the macro were not there. Attributes move to the
//! outer function; those that set lint levels reach the inner one from there. The crate is named
//! once, so that a wrong name is one error.
//!
//! Rejected: an `async` block with the body. It has no place for the return type, so the compiler
//! reports `?` and mismatches in terms of a block whose type it had to infer. An async closure has
//! the place, but knows neither `-> impl Trait` nor the name of the function. The price of a nested
//! function: in an `impl` block it cannot say `Self`.
//!
//! The macros decide nothing about running: which runtime, what happens when a setting is invalid
//! and when it stops are the business of `__private::main` and `__private::test`, which both have
//! the form `#[track_caller] fn<F: Future>(Builder, F) -> F::Output`.
//!
//! When something is wrong, the errors come with a stand-in: a plain function of the same name
//! around the user's. Without it each error would bring another in its wake, "`main` function not
//! found" first of all.

use proc_macro2::{Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Result, Signature, Token, Visibility, parse_quote};

use crate::args::{Args, Flavor};
use crate::error::Errors;
use crate::executor::Executor;

/// Which of the two attributes is expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Main,
    Test,
}

/// The Ps of a test that does not say: enough for goroutines to run at the same time, and few
/// enough for the many tests that the harness runs at once.
const TEST_PROCS: usize = 2;

/// A function, with a body that nobody looks into.
struct Function {
    attrs: Vec<Attribute>,
    vis: Visibility,
    sig: Signature,
    body: TokenTree,
}

/// Expands the attribute `entry` with the settings `args` on `item`.
pub(crate) fn expand(entry: Entry, args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::read(args, &mut errors);
    let Ok(function) = syn::parse2::<Function>(item.clone()) else {
        let message = format!("{} can only be applied to an `async fn`", entry.attribute());
        errors.push(Error::new(Span::call_site(), message));
        let errors = errors.into_tokens();
        return quote!(#errors #item);
    };
    entry.check(&function, &mut errors);
    match errors.into_tokens() {
        None => entry.runner(args, function),
        Some(errors) => {
            let stand_in = stand_in(function);
            quote!(#errors #stand_in)
        }
    }
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let function = Function {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse()?,
            sig: input.parse()?,
            body: input.parse()?,
        };
        let TokenTree::Group(_) = function.body else {
            return Err(Error::new(function.body.span(), "expected a body"));
        };
        Ok(function)
    }
}

impl Entry {
    fn attribute(self) -> &'static str {
        match self {
            Entry::Main => "`#[gort::main]`",
            Entry::Test => "`#[gort::test]`",
        }
    }

    /// Reports everything about `function` that keeps it from being run.
    fn check(self, function: &Function, errors: &mut Errors) {
        let Function { attrs, sig, .. } = function;
        let attribute = self.attribute();
        if sig.asyncness.is_none() {
            let message = format!(
                "{attribute} needs an `async fn`: put the keyword `async` in front of `fn`"
            );
            errors.push(Error::new_spanned(sig.fn_token, message));
        }
        let prefix = [
            sig.constness
                .map(|token| (token.into_token_stream(), "const")),
            sig.unsafety
                .map(|token| (token.into_token_stream(), "unsafe")),
            sig.abi
                .as_ref()
                .map(|abi| (abi.into_token_stream(), "extern")),
        ];
        for (tokens, word) in prefix.into_iter().flatten() {
            let message = format!("{attribute} takes a plain `async fn`: remove `{word}`");
            errors.push(Error::new_spanned(tokens, message));
        }
        self.check_parameters(sig, errors);
        self.check_attributes(attrs, errors);
    }

    fn check_parameters(self, sig: &Signature, errors: &mut Errors) {
        let attribute = self.attribute();
        let fine = sig.inputs.is_empty() || Executor::of(&sig.inputs).is_some();
        if !fine || sig.variadic.is_some() {
            let advice = match self {
                Entry::Main => "read the command line with `std::env::args()` in its body",
                Entry::Test => "make what the test needs in its body",
            };
            let message = format!(
                "the function under {attribute} takes no arguments but an executor (`&Executor`, \
                 `Arc<Executor>`, `&LocalExecutor` or `Rc<LocalExecutor>`): {advice}"
            );
            let (inputs, variadic) = (&sig.inputs, &sig.variadic);
            errors.push(Error::new_spanned(quote!(#inputs #variadic), message));
        }
        let message = format!(
            "the function under {attribute} takes no generic parameters and no `where` clause: \
             nobody could choose the types"
        );
        if !sig.generics.params.is_empty() {
            errors.push(Error::new_spanned(&sig.generics, message));
        } else if let Some(clause) = &sig.generics.where_clause {
            errors.push(Error::new_spanned(clause, message));
        }
    }

    /// Looks for a second attribute that would make an entry point of the same function.
    fn check_attributes(self, attrs: &[Attribute], errors: &mut Errors) {
        let attribute = self.attribute();
        for attr in attrs {
            // Only the last part counts: runtimes name theirs alike, `tokio::main`,
            // `async_std::test` and so on.
            let last = attr.path().segments.last();
            let name = last.map(|last| last.ident.to_string()).unwrap_or_default();
            let message = match (self, name.as_str()) {
                (Entry::Main, "test") => {
                    format!("{attribute} makes no test; use `#[gort::test]` in place of both")
                }
                (Entry::Test, "test") => {
                    format!("{attribute} already makes this a test; remove this attribute")
                }
                (_, "main") => {
                    format!("{attribute} already runs this function; remove this attribute")
                }
                _ => continue,
            };
            errors.push(Error::new_spanned(attr, message));
        }
    }

    /// The function that the program or the test harness calls.
    fn runner(self, args: Args, function: Function) -> TokenStream {
        let Function {
            attrs,
            vis,
            sig,
            body,
        } = function;
        let name = &sig.ident;
        let outer = Signature {
            asyncness: None,
            inputs: Punctuated::new(),
            ..sig.clone()
        };
        let builder = self.builder(&args);
        let future = match Executor::of(&sig.inputs) {
            Some(executor) => {
                let with = executor.runner();
                quote!(__gort::#with(#name))
            }
            None => quote!(#name()),
        };
        let krate = args.krate.unwrap_or_else(|| parse_quote!(::gort));
        let (test, run) = match self {
            Entry::Main => (None, quote!(main)),
            Entry::Test => (Some(quote!(#[::core::prelude::v1::test])), quote!(test)),
        };
        // The user can do nothing about these two lints: it is the attribute that needs `async`,
        // and the attribute that makes a function with one caller. All other lints speak of what
        // the user wrote.
        quote! {
            #test
            #(#attrs)*
            #vis #outer {
                use #krate::{Builder as __GortBuilder, __private as __gort};
                #[allow(clippy::single_call_fn, clippy::unused_async)]
                #sig #body
                __gort::#run(#builder, #future)
            }
        }
    }

    fn builder(self, args: &Args) -> TokenStream {
        let new = quote!(__GortBuilder::new());
        let builder = match (args.flavor, &args.procs) {
            (Some(Flavor::Local), _) => quote!(#new.local()),
            (_, Some(procs)) => quote!(#new.procs(#procs)),
            (_, None) if self == Entry::Test => {
                let procs = Literal::usize_unsuffixed(TEST_PROCS);
                quote!(#new.procs(#procs))
            }
            (_, None) => new,
        };
        match args.tokio {
            // A gort without the feature has no such method; the error then stands at the key.
            Some(at) => quote_spanned!(at=> #builder.enable_tokio()),
            None => builder,
        }
    }
}

/// What the program gets in place of `function` if it cannot be had: something with its name, and
/// inside it the user's function, `async` as it should have been, so that the compiler goes on to
/// check the body.
fn stand_in(function: Function) -> TokenStream {
    let Function {
        vis, mut sig, body, ..
    } = function;
    sig.asyncness.get_or_insert_with(<Token![async]>::default);
    (sig.constness, sig.unsafety, sig.abi) = (None, None, None);
    if sig.receiver().is_some() {
        return quote!(#vis #sig #body);
    }
    let name = &sig.ident;
    quote! {
        #vis fn #name() -> ! {
            #sig #body
            ::core::unreachable!()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_expands(entry: Entry, args: TokenStream, item: TokenStream, expected: TokenStream) {
        assert_eq!(expand(entry, args, item).to_string(), expected.to_string());
    }

    #[test]
    fn main_wraps_the_function_and_runs_it() {
        assert_expands(
            Entry::Main,
            quote!(),
            quote! {
                /// Serves.
                pub(crate) async fn main() -> io::Result<()> { serve().await }
            },
            quote! {
                /// Serves.
                pub(crate) fn main() -> io::Result<()> {
                    use ::gort::{Builder as __GortBuilder, __private as __gort};
                    #[allow(clippy::single_call_fn, clippy::unused_async)]
                    async fn main() -> io::Result<()> { serve().await }
                    __gort::main(__GortBuilder::new(), main())
                }
            },
        );
    }

    #[test]
    fn a_test_is_marked_and_has_two_procs() {
        assert_expands(
            Entry::Test,
            quote!(crate = "a::b"),
            quote! { #[should_panic] async fn fails() { todo() } },
            quote! {
                #[::core::prelude::v1::test]
                #[should_panic]
                fn fails() {
                    use a::b::{Builder as __GortBuilder, __private as __gort};
                    #[allow(clippy::single_call_fn, clippy::unused_async)]
                    async fn fails() { todo() }
                    __gort::test(__GortBuilder::new().procs(2), fails())
                }
            },
        );
    }

    #[test]
    fn an_executor_is_made_and_passed() {
        assert_expands(
            Entry::Main,
            quote!(),
            quote! { async fn main(ex: &Executor<'_>) {} },
            quote! {
                fn main() {
                    use ::gort::{Builder as __GortBuilder, __private as __gort};
                    #[allow(clippy::single_call_fn, clippy::unused_async)]
                    async fn main(ex: &Executor<'_>) {}
                    __gort::main(__GortBuilder::new(), __gort::with_executor(main))
                }
            },
        );
    }

    #[test]
    fn a_broken_function_keeps_its_name_and_becomes_async() {
        let expanded = expand(
            Entry::Main,
            quote!(),
            quote! { pub unsafe extern "C" fn main() { body().await } },
        );
        let stand_in = quote! {
            pub fn main() -> ! {
                async fn main() { body().await }
                ::core::unreachable!()
            }
        };
        assert!(
            expanded.to_string().ends_with(&stand_in.to_string()),
            "{expanded}"
        );
    }

    #[test]
    fn what_is_not_a_function_is_left_as_it_is() {
        for item in [
            "struct Main ;",
            "async fn main () ;",
            "async fn main () = 1 ;",
        ] {
            let tokens = item.parse().expect("tokens");
            let expanded = expand(Entry::Main, quote!(), tokens).to_string();
            let message = "can only be applied to an `async fn`";
            assert!(expanded.contains(message), "{expanded}");
            assert!(expanded.ends_with(item), "{expanded}");
        }
    }

    #[test]
    fn bodies_are_not_parsed() {
        // Syntax that syn does not know yet must not stop anyone.
        let item = quote! { async fn main() { let do yeet = gen move %% {}; } };
        let expanded = expand(Entry::Main, quote!(), item).to_string();
        assert!(!expanded.contains("compile_error"), "{expanded}");
    }
}
