//! What stands in the parentheses of `#[gort::main(...)]` and `#[gort::test(...)]`.
//!
//! Reading has two steps. First the list is split at its commas into [`Arg`]s without looking at
//! the values, then every value is read as its key wants it. So one wrong value does not hide the
//! next mistake, and a wrong type is reported in the words of its key, never as "expected literal".

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprUnary, Lit, LitInt, LitStr, Path, Result, Token, UnOp};

use crate::error::Errors;

/// The scheduler a function asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    Multi,
    Local,
}

/// The settings of one attribute; `None` where it says nothing.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) procs: Option<LitInt>,
    pub(crate) flavor: Option<Flavor>,
    pub(crate) krate: Option<Path>,
    /// Where it says `tokio`.
    pub(crate) tokio: Option<Span>,
}

/// `key = value`, or `key` followed by something else that `read` will refuse.
struct Arg {
    key: Ident,
    value: Option<TokenStream>,
}

impl Args {
    /// Reads the list. What it could not read is in `errors` and left at its default.
    pub(crate) fn read(list: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Args::default();
        let parser = Punctuated::<Arg, Token![,]>::parse_terminated;
        let list = match parser.parse2(list) {
            Ok(list) => list,
            Err(error) => {
                errors.push(error);
                return args;
            }
        };
        let mut seen = Vec::new();
        for Arg { key, value } in list {
            if seen.contains(&key) {
                let message = format!("`{key}` is given twice; keep one of them");
                errors.push(Error::new(key.span(), message));
                continue;
            }
            if let Err(error) = args.set(&key, value) {
                errors.push(error);
            }
            seen.push(key);
        }
        if let (Some(procs), Some(Flavor::Local)) = (&args.procs, args.flavor) {
            errors.push(Error::new(
                procs.span(),
                "`procs` has no meaning with `flavor = \"local\"`, which runs everything on the \
                 calling thread; remove `procs`, or use `flavor = \"multi\"`",
            ));
        }
        args
    }

    fn set(&mut self, key: &Ident, value: Option<TokenStream>) -> Result<()> {
        match key.to_string().as_str() {
            "procs" => self.procs = Some(procs(required(key, value, "2")?)?),
            "flavor" => self.flavor = Some(flavor(required(key, value, "\"local\"")?)?),
            "crate" => self.krate = Some(krate(required(key, value, "path::to::gort")?)?),
            "tokio" => self.tokio = Some(flag(key, value)?),
            unknown => return Err(unknown_key(key.span(), unknown)),
        }
        Ok(())
    }
}

impl Parse for Arg {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if !input.peek(Ident::peek_any) {
            return Err(input.error("expected `key = value`, such as `procs = 2`"));
        }
        // `parse_any`, because `crate` is a keyword.
        let key = input.call(Ident::parse_any)?;
        let equals: Option<Token![=]> = input.parse()?;
        let rest = until_comma(input)?;
        let value = equals.and(Some(rest));
        Ok(Arg { key, value })
    }
}

/// Takes everything up to the next comma that stands outside all brackets.
fn until_comma(input: ParseStream<'_>) -> Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(tokens)
}

fn required(key: &Ident, value: Option<TokenStream>, example: &str) -> Result<TokenStream> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| {
        let message = format!("`{key}` needs a value: write `{key} = {example}`");
        Error::new(key.span(), message)
    })
}

/// A key that stands for itself.
fn flag(key: &Ident, value: Option<TokenStream>) -> Result<Span> {
    match value {
        None => Ok(key.span()),
        Some(_) => {
            let message = format!("`{key}` takes no value: write `{key}`, or leave it out");
            Err(Error::new(key.span(), message))
        }
    }
}

fn unknown_key(span: Span, key: &str) -> Error {
    let hint = match key {
        "multi" | "local" => format!("; did you mean `flavor = \"{key}\"`?"),
        // The names that people bring along from tokio.
        "worker_threads" => "; the number of threads that run goroutines is `procs`".into(),
        "multi_thread" => "; did you mean `flavor = \"multi\"`?".into(),
        "current_thread" => "; did you mean `flavor = \"local\"`?".into(),
        _ => String::new(),
    };
    let message = format!(
        "unknown attribute `{key}`; known ones are `procs`, `flavor`, `crate`, `tokio`{hint}"
    );
    Error::new(span, message)
}

fn procs(value: TokenStream) -> Result<LitInt> {
    let wrong = |message| Err(Error::new_spanned(&value, message));
    let no_integer = || wrong("`procs` takes an integer literal, such as `procs = 2`");
    let too_few = || wrong("`procs` must be at least 1: without a P no goroutine can run");
    match syn::parse2(value.clone()).map(ungrouped) {
        Ok(Expr::Lit(literal)) => match literal.lit {
            Lit::Int(number) if !matches!(number.suffix(), "" | "usize") => {
                wrong("`procs` is a `usize`; write the number without a suffix")
            }
            Lit::Int(number) => match number.base10_parse::<usize>() {
                Ok(0) => too_few(),
                Ok(_) => Ok(number),
                Err(_) => wrong("`procs` does not fit into a `usize`"),
            },
            Lit::Str(text) if text.value().parse::<usize>().is_ok() => {
                wrong("`procs` is a number; write it without the quotes")
            }
            _ => no_integer(),
        },
        Ok(Expr::Unary(negative)) if is_negative_integer(&negative) => too_few(),
        _ => no_integer(),
    }
}

/// Takes off the invisible brackets that `macro_rules!` puts around `$n:expr` and `$n:literal`.
fn ungrouped(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungrouped(*group.expr),
        other => other,
    }
}

fn is_negative_integer(expr: &ExprUnary) -> bool {
    let integer = matches!(&*expr.expr, Expr::Lit(literal) if matches!(literal.lit, Lit::Int(_)));
    integer && matches!(expr.op, UnOp::Neg(_))
}

fn flavor(value: TokenStream) -> Result<Flavor> {
    let wrong = |message: &str| Err(Error::new_spanned(&value, message));
    let bare = value.to_string();
    match syn::parse2::<LitStr>(value.clone()) {
        Ok(name) => match name.value().as_str() {
            "multi" => Ok(Flavor::Multi),
            "local" => Ok(Flavor::Local),
            "multi_thread" => wrong("unknown flavor `multi_thread`; here it is called `multi`"),
            "current_thread" => wrong("unknown flavor `current_thread`; here it is called `local`"),
            other => wrong(&format!(
                "unknown flavor `{other}`; known ones are `multi`, `local`"
            )),
        },
        Err(_) if matches!(bare.as_str(), "multi" | "local") => wrong(&format!(
            "`flavor` takes a string: write `flavor = \"{bare}\"`"
        )),
        Err(_) => wrong("`flavor` takes a string, `\"multi\"` or `\"local\"`"),
    }
}

fn krate(value: TokenStream) -> Result<Path> {
    let path = match syn::parse2::<LitStr>(value.clone()) {
        // The parts of the path get the place of the literal, so that a path that leads nowhere
        // is reported there.
        Ok(text) => text.parse_with(Path::parse_mod_style),
        Err(_) => Path::parse_mod_style.parse2(value.clone()),
    };
    let message = "`crate` takes the path of the gort crate, such as `crate = renamed` or \
                   `crate = \"path::to::gort\"`";
    path.map_err(|_| Error::new_spanned(&value, message))
}

#[cfg(test)]
mod tests {
    use quote::{ToTokens, quote};

    use super::*;

    fn read(list: TokenStream) -> std::result::Result<Args, Vec<String>> {
        let mut errors = Errors::default();
        let args = Args::read(list, &mut errors);
        match errors.messages() {
            messages if messages.is_empty() => Ok(args),
            messages => Err(messages),
        }
    }

    fn first_error(list: TokenStream) -> String {
        read(list)
            .err()
            .expect("the list must be refused")
            .remove(0)
    }

    #[test]
    fn an_empty_list_sets_nothing() {
        let args = read(quote!()).unwrap_or_default();
        assert!(args.procs.is_none() && args.flavor.is_none() && args.krate.is_none());
    }

    #[test]
    fn all_keys_are_read_in_any_order_and_with_a_trailing_comma() {
        let args = read(quote!(crate = a::b, flavor = "multi", procs = 0x10,)).expect("valid");
        assert_eq!(
            args.krate.map(|path| path.to_token_stream().to_string()),
            Some("a :: b".into())
        );
        assert_eq!(args.flavor, Some(Flavor::Multi));
        assert_eq!(
            args.procs.map(|n| n.base10_parse::<usize>().ok()),
            Some(Some(16))
        );
    }

    #[test]
    fn the_crate_may_be_any_path_bare_or_in_quotes() {
        for list in [
            quote!(crate = renamed),
            quote!(crate = ::renamed),
            quote!(crate = crate),
            quote!(crate = self::inner::gort),
            quote!(crate = "renamed"),
            quote!(crate = "::path::to::gort"),
            quote!(crate = "crate"),
        ] {
            assert!(read(list.clone()).is_ok(), "{list}");
        }
    }

    #[test]
    fn every_mistake_is_reported_not_only_the_first() {
        let errors = read(quote!(procs = 0, flavor = "odd", colour = "red")).err();
        assert_eq!(errors.map(|errors| errors.len()), Some(3));
    }

    #[test]
    fn a_number_that_is_no_usize_is_refused() {
        let huge = first_error(quote!(procs = 99999999999999999999999));
        assert_eq!(huge, "`procs` does not fit into a `usize`");
        assert!(first_error(quote!(procs = 2u8)).contains("without a suffix"));
        assert!(first_error(quote!(procs = -0)).contains("at least 1"));
        assert!(first_error(quote!(procs = 1.5)).contains("integer literal"));
        assert!(first_error(quote!(procs = 1 + 1)).contains("integer literal"));
        assert!(read(quote!(procs = 2usize)).is_ok());
    }

    #[test]
    fn names_known_from_tokio_are_translated() {
        assert!(first_error(quote!(worker_threads = 4)).contains("is `procs`"));
        assert!(first_error(quote!(flavor = "multi_thread")).contains("`multi`"));
        assert!(first_error(quote!(flavor = "current_thread")).contains("`local`"));
        assert!(first_error(quote!(current_thread)).contains("flavor = \"local\""));
    }

    #[test]
    fn a_key_without_a_value_says_how_to_write_one() {
        for list in [
            quote!(procs),
            quote!(procs = ),
            quote!(procs(2)),
            quote!(procs, flavor = "multi"),
        ] {
            assert_eq!(
                first_error(list),
                "`procs` needs a value: write `procs = 2`"
            );
        }
    }

    #[test]
    fn anything_but_a_key_is_refused() {
        for list in [quote!("multi"), quote!(4), quote!(,), quote!(= 3)] {
            let message = "expected `key = value`, such as `procs = 2`";
            assert_eq!(first_error(list), message);
        }
    }
}
