//! Reads a definition into what `expand` needs, and refuses what could not be traced.

use proc_macro2::{Ident, TokenStream};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Data, DeriveInput, Field, Fields, GenericParam, Generics, Lifetime, Meta, Path,
    Token, TypeParam, TypeParamBound, WherePredicate,
};

use crate::error::Errors;

/// What a type parameter may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Anything that is `Trace`; it changes with the brand.
    Traced,
    /// Declared `'static`: no edges, whatever the brand.
    Opaque,
}

/// One variant of an enum, or the only one of a struct.
pub(crate) struct Variant {
    /// `None` for a struct.
    pub(crate) name: Option<Ident>,
    pub(crate) fields: Fields,
}

/// A definition that can be traced.
pub(crate) struct Input {
    pub(crate) name: Ident,
    pub(crate) generics: Generics,
    /// The one lifetime parameter.
    pub(crate) brand: Option<Lifetime>,
    pub(crate) variants: Vec<Variant>,
    /// Where the crate is, if the type says so.
    pub(crate) krate: Option<Path>,
}

impl Input {
    /// Reads a definition. What is wrong with it is in `errors`.
    pub(crate) fn read(item: DeriveInput, errors: &mut Errors) -> Self {
        let krate = container_attributes(&item.attrs, errors);
        let variants = variants(item.data, errors);
        for variant in &variants {
            for field in &variant.fields {
                is_opaque(field, errors);
            }
        }
        let brand = brand(&item.generics, errors);
        let input = Self {
            name: item.ident,
            generics: item.generics,
            brand,
            variants,
            krate,
        };
        input.check_bounds(errors);
        input
    }

    /// Returns what `param` may hold.
    pub(crate) fn role(&self, param: &TypeParam) -> Role {
        let is_static = |bound: &TypeParamBound| matches!(bound, TypeParamBound::Lifetime(l) if l.ident == "static");
        if self.bounds_of(param).any(is_static) {
            Role::Opaque
        } else {
            Role::Traced
        }
    }

    /// Returns the bounds of `param`, both those beside its name and those in the where clause.
    fn bounds_of<'a>(&'a self, param: &'a TypeParam) -> impl Iterator<Item = &'a TypeParamBound> {
        let predicates = self
            .generics
            .where_clause
            .iter()
            .flat_map(|clause| &clause.predicates);
        let apart = predicates.filter_map(|predicate| match predicate {
            WherePredicate::Type(p) if is_param(&p.bounded_ty, &param.ident) => Some(&p.bounds),
            _ => None,
        });
        param.bounds.iter().chain(apart.flatten())
    }

    fn check_bounds(&self, errors: &mut Errors) {
        for param in self.generics.type_params() {
            for bound in self.bounds_of(param) {
                if is_maybe(bound) {
                    errors.at(
                        bound,
                        "the gc heap holds values of a known size; remove `?Sized`",
                    );
                }
            }
            if self.role(param) == Role::Opaque {
                continue;
            }
            for bound in self.bounds_of(param) {
                if !self.fits_every_brand(bound) {
                    errors.at(
                        bound,
                        &format!(
                            "a traced parameter changes with the brand, so its bounds would have to hold for every brand; \
                             move this bound to the functions that need it, or declare `{}: 'static` if it holds no gc \
                             pointers",
                            param.ident
                        ),
                    );
                }
            }
        }
    }

    /// Tells whether a traced parameter may have `bound`: it follows from `Trace` at every brand.
    fn fits_every_brand(&self, bound: &TypeParamBound) -> bool {
        match bound {
            TypeParamBound::Lifetime(lifetime) => Some(lifetime) == self.brand.as_ref(),
            // `Sized` and `Trace` themselves; `?Sized` has its own message.
            TypeParamBound::Trait(t) => {
                is_maybe(bound)
                    || t.path
                        .segments
                        .last()
                        .is_some_and(|s| s.ident == "Trace" || s.ident == "Sized")
            }
            _ => false,
        }
    }
}

/// Tells whether `field` is not to be traced, and refuses other attributes.
pub(crate) fn is_opaque(field: &Field, errors: &mut Errors) -> bool {
    let mut opaque = false;
    for attribute in gc_attributes(&field.attrs) {
        for meta in list(attribute, errors) {
            match &meta {
                Meta::Path(path) if path.is_ident("opaque") => opaque = true,
                other => errors.at(other, "a field knows `#[gc(opaque)]` only"),
            }
        }
    }
    opaque
}

fn container_attributes(attributes: &[Attribute], errors: &mut Errors) -> Option<Path> {
    let mut krate = None;
    for attribute in gc_attributes(attributes) {
        let parsed = attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("crate") {
                krate = Some(meta.value()?.call(Path::parse_mod_style)?);
                Ok(())
            } else if meta.path.is_ident("opaque") {
                Err(meta.error("`opaque` belongs on a field; a whole type without gc pointers goes into `Static`"))
            } else {
                Err(meta.error("a type knows `#[gc(crate = path)]` only"))
            }
        });
        if let Err(error) = parsed {
            errors.push(error);
        }
    }
    krate
}

fn gc_attributes(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("gc"))
}

fn list(attribute: &Attribute, errors: &mut Errors) -> Vec<Meta> {
    match attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) {
        Ok(metas) => metas.into_iter().collect(),
        Err(error) => {
            errors.push(error);
            Vec::new()
        }
    }
}

fn variants(data: Data, errors: &mut Errors) -> Vec<Variant> {
    match data {
        Data::Struct(data) => vec![Variant {
            name: None,
            fields: data.fields,
        }],
        Data::Enum(data) => data
            .variants
            .into_iter()
            .map(|variant| {
                for attribute in gc_attributes(&variant.attrs) {
                    errors.at(attribute, "`#[gc(...)]` belongs on a field or on the type");
                }
                Variant {
                    name: Some(variant.ident),
                    fields: variant.fields,
                }
            })
            .collect(),
        Data::Union(data) => {
            errors.at(
                data.union_token,
                "nobody knows which field of a union is alive, so it cannot be traced; use an enum",
            );
            Vec::new()
        }
    }
}

fn brand(generics: &Generics, errors: &mut Errors) -> Option<Lifetime> {
    let mut lifetimes = generics.params.iter().filter_map(|param| match param {
        GenericParam::Lifetime(param) => Some(param),
        _ => None,
    });
    let brand = lifetimes.next()?;
    if !brand.bounds.is_empty() {
        errors.at(
            &brand.bounds,
            "the brand stands for every guard, so it has no bounds",
        );
    }
    for other in lifetimes {
        errors.at(
            other,
            "a type in the gc heap has one lifetime, the brand; it outlives any other borrow, so nothing else can be \
             borrowed in it",
        );
    }
    Some(brand.lifetime.clone())
}

fn is_param(ty: &syn::Type, param: &Ident) -> bool {
    matches!(ty, syn::Type::Path(path) if path.qself.is_none() && path.path.is_ident(param))
}

fn is_maybe(bound: &TypeParamBound) -> bool {
    matches!(bound, TypeParamBound::Trait(t) if matches!(t.modifier, syn::TraitBoundModifier::Maybe(_)))
}

/// The tokens of a definition, as `syn` reads them.
pub(crate) fn parse(item: TokenStream) -> syn::Result<DeriveInput> {
    syn::parse2(item)
}
