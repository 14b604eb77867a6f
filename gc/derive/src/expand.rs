//! Writes the implementation of `Trace` for a definition that `input` has checked.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Fields, GenericParam, Generics, Lifetime, Member};

use crate::error::Errors;
use crate::input::{Input, Role, Variant, is_opaque, parse};

/// Expands `#[derive(Trace)]` on `item`; `gc` is where the crate is unless the type says otherwise.
pub(crate) fn derive(item: TokenStream, gc: TokenStream) -> TokenStream {
    let item = match parse(item) {
        Ok(item) => item,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    let input = Input::read(item, &mut errors);
    if let Some(errors) = errors.into_tokens() {
        return errors;
    }
    let gc = input
        .krate
        .as_ref()
        .map_or(gc, |path| path.to_token_stream());
    let brand = input.brand.clone().unwrap_or_else(|| lifetime("'__g"));
    let expansion = Expansion { input, gc, brand };
    let (implementation, no_drop) = (expansion.trace(), expansion.no_drop());
    quote! {
        #[doc(hidden)]
        const _: () = {
            #implementation
            #no_drop
        };
    }
}

struct Expansion {
    input: Input,
    gc: TokenStream,
    /// The brand of the type, or one of the implementation's own where the type has none.
    brand: Lifetime,
}

impl Expansion {
    fn trace(&self) -> TokenStream {
        let Self { input, gc, brand } = self;
        let name = &input.name;
        let generics = self.traced_generics();
        let (implemented, _, clause) = generics.split_for_impl();
        let (_, own, _) = input.generics.split_for_impl();
        let at = self.at();
        let needs_trace = self.needs_trace();
        let fields = input
            .variants
            .iter()
            .flat_map(|variant| self.field_infos(variant));
        let all = input.variants.iter().map(|variant| self.arm(variant, None));
        let mut first = 0;
        let each = input.variants.iter().map(|variant| {
            let arm = self.arm(variant, Some(first));
            first += variant.fields.len();
            arm
        });
        // An enum without variants has no values, and nothing to match.
        let place = if input.variants.is_empty() {
            quote!(*self)
        } else {
            quote!(self)
        };
        quote! {
            #[automatically_derived]
            // SAFETY: the reasons are at the head of the crate `gort-gc-derive`.
            unsafe impl #implemented #gc::Trace<#brand> for #name #own #clause {
                type At<'__h> = #at;
                const NEEDS_TRACE: bool = #needs_trace;
                const INFO: #gc::TypeInfo = #gc::TypeInfo::new(&[#(#fields),*]);

                #[inline]
                fn trace(&self, __tracer: &mut #gc::Tracer<'_>) {
                    match #place {
                        #(#all)*
                    }
                }

                fn trace_field(&self, __index: usize, __tracer: &mut #gc::Tracer<'_>) {
                    match #place {
                        #(#each)*
                    }
                }
            }
        }
    }

    /// An implementation that overlaps with any of `Drop`, for exactly these generics.
    ///
    /// A type with neither a brand nor a traced parameter is `'static` and may have a destructor.
    fn no_drop(&self) -> Option<TokenStream> {
        let input = &self.input;
        let traced = input
            .generics
            .type_params()
            .any(|param| input.role(param) == Role::Traced);
        if input.brand.is_none() && !traced {
            return None;
        }
        let name = &input.name;
        let (implemented, own, clause) = input.generics.split_for_impl();
        Some(quote! {
            trait ATypeWithEdgesCannotImplementDrop {}
            #[allow(drop_bounds, reason = "any destructor is the point")]
            impl<__T: ::core::ops::Drop + ?::core::marker::Sized> ATypeWithEdgesCannotImplementDrop for __T {}
            impl #implemented ATypeWithEdgesCannotImplementDrop for #name #own #clause {}
        })
    }

    /// The generics of the type, its own brand where it has none, and `Trace` for every traced parameter.
    ///
    /// There are no bounds on the types of fields: with them rustc does not come to an end on a recursive generic type.
    fn traced_generics(&self) -> Generics {
        let Self { input, gc, brand } = self;
        let mut generics = input.generics.clone();
        if input.brand.is_none() {
            generics.params.insert(
                0,
                GenericParam::Lifetime(syn::LifetimeParam::new(brand.clone())),
            );
        }
        let traced = input
            .generics
            .type_params()
            .filter(|param| input.role(param) == Role::Traced);
        let predicates = traced.map(|param| {
            let ident = &param.ident;
            syn::parse_quote!(#ident: #gc::Trace<#brand>)
        });
        let predicates: Vec<syn::WherePredicate> = predicates.collect();
        if !predicates.is_empty() {
            generics.make_where_clause().predicates.extend(predicates);
        }
        generics
    }

    /// The type under the brand `'__h`.
    fn at(&self) -> TokenStream {
        let Self { input, gc, brand } = self;
        let name = &input.name;
        let params = input.generics.params.iter().map(|param| match param {
            GenericParam::Lifetime(_) => quote!('__h),
            GenericParam::Const(param) => param.ident.to_token_stream(),
            GenericParam::Type(param) => {
                let ident = &param.ident;
                match input.role(param) {
                    Role::Traced => quote!(<#ident as #gc::Trace<#brand>>::At<'__h>),
                    Role::Opaque => ident.to_token_stream(),
                }
            }
        });
        quote!(#name<#(#params),*>)
    }

    /// Edges come in by the brand or by a traced parameter.
    ///
    /// This does not ask the fields: `struct Tree<V>(V, Option<Box<Tree<V>>>)` would ask itself for ever.
    fn needs_trace(&self) -> TokenStream {
        let Self { input, gc, brand } = self;
        let branded = input.brand.is_some();
        let traced = input
            .generics
            .type_params()
            .filter(|param| input.role(param) == Role::Traced);
        let idents = traced.map(|param| &param.ident);
        quote!(#branded #(|| <#idents as #gc::Trace<#brand>>::NEEDS_TRACE)*)
    }

    /// What is known of each field at run time.
    fn field_infos(&self, variant: &Variant) -> Vec<TokenStream> {
        let gc = &self.gc;
        let info = |(member, field): (Member, &syn::Field)| {
            let ty = &field.ty;
            let (label, offset) = match &variant.name {
                None => (
                    member_name(&member),
                    quote!(::core::option::Option::Some(
                        ::core::mem::offset_of!(Self, #member)
                    )),
                ),
                // The offset of a field of a variant is not stable.
                Some(variant) => (
                    format!("{variant}.{}", member_name(&member)),
                    quote!(::core::option::Option::None),
                ),
            };
            quote!(#gc::FieldInfo::new(#label, #offset, ::core::any::type_name::<#ty>))
        };
        variant
            .fields
            .members()
            .zip(&variant.fields)
            .map(info)
            .collect()
    }

    /// The arm of a match on `self` that traces the fields of `variant`: all of them, or the one whose number among the
    /// fields of all variants is `__index`, where `first` is that of the first here.
    fn arm(&self, variant: &Variant, first: Option<usize>) -> TokenStream {
        let name = &self.input.name;
        let path = match &variant.name {
            None => quote!(#name),
            Some(variant) => quote!(#name::#variant),
        };
        let bindings: Vec<Ident> = (0..variant.fields.len())
            .map(|i| format_ident!("__field_{i}"))
            .collect();
        let members = variant.fields.members();
        let pattern = match &variant.fields {
            Fields::Unit => quote!(#path),
            Fields::Named(_) | Fields::Unnamed(_) => quote!(#path { #(#members: #bindings),* }),
        };
        let steps =
            bindings
                .iter()
                .zip(&variant.fields)
                .enumerate()
                .map(|(i, (binding, field))| {
                    let step = self.step(binding, field);
                    match first {
                        None => step,
                        Some(first) => {
                            let index = first + i;
                            quote!(if __index == #index { #step })
                        }
                    }
                });
        quote!(#pattern => { #(#steps)* })
    }

    /// Traces one field, or proves that it need not be traced.
    fn step(&self, binding: &Ident, field: &syn::Field) -> TokenStream {
        let Self { gc, brand, .. } = self;
        // An error that comes from the type of the field points at it.
        let span = Span::call_site().located_at(field.ty.span());
        let binding = Ident::new(&binding.to_string(), span);
        // The attribute has been read before, with its mistakes.
        if is_opaque(field, &mut Errors::default()) {
            return quote_spanned!(span=> #gc::__private::is_static(#binding););
        }
        quote_spanned!(span=> #gc::__private::Brand::<#brand>::trace(#binding, __tracer);)
    }
}

fn member_name(member: &Member) -> String {
    match member {
        Member::Named(ident) => syn::ext::IdentExt::unraw(ident).to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    }
}

fn lifetime(name: &str) -> Lifetime {
    Lifetime::new(name, Span::call_site())
}
