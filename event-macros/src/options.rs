//! `key = value` and `key(…)` lists: every mistake under the key or the value that has it.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Ident, Lit, LitInt, LitStr, Path, Token, parenthesized};

use crate::errors::Errors;

/// One `key = value`, `key(…)` or `key`.
pub(crate) struct Entry {
    pub(crate) key: Ident,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    Lit(Lit),
    Path(Path),
    List(Vec<Entry>),
    Nothing,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = Ident::parse_any(input)?;
        let value = if input.peek(syn::token::Paren) {
            let content;
            parenthesized!(content in input);
            Value::List(
                content
                    .parse_terminated(Entry::parse, Token![,])?
                    .into_iter()
                    .collect(),
            )
        } else if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            if input.peek(Lit) {
                Value::Lit(input.parse()?)
            } else {
                Value::Path(input.call(Path::parse_mod_style)?)
            }
        } else {
            Value::Nothing
        };
        Ok(Self { key, value })
    }
}

impl Entry {
    /// Where the value is, or the key if there is none.
    pub(crate) fn span(&self) -> Span {
        match &self.value {
            Value::Lit(lit) => lit.span(),
            Value::Path(path) => path.span(),
            Value::List(_) | Value::Nothing => self.key.span(),
        }
    }
}

/// The options of one attribute.
pub(crate) struct Options(Vec<Entry>);

impl Options {
    /// Reads the options inside `#[attribute(…)]`. Unknown and doubled keys are mistakes.
    pub(crate) fn parse(
        attribute: &str,
        legal: &[&str],
        tokens: TokenStream,
        errors: &mut Errors,
    ) -> Self {
        let parser = Punctuated::<Entry, Token![,]>::parse_terminated;
        match parser.parse2(tokens) {
            Ok(entries) => Self::check(attribute, legal, entries.into_iter().collect(), errors),
            Err(error) => {
                errors.add(error);
                Self(Vec::new())
            }
        }
    }

    /// Reads all attributes of this name on an item.
    pub(crate) fn of(
        attribute: &str,
        legal: &[&str],
        attributes: &[Attribute],
        errors: &mut Errors,
    ) -> Self {
        let mut entries = Vec::new();
        for found in attributes
            .iter()
            .filter(|found| found.path().is_ident(attribute))
        {
            match found.parse_args_with(Punctuated::<Entry, Token![,]>::parse_terminated) {
                Ok(list) => entries.extend(list),
                Err(error) => errors.add(error),
            }
        }
        Self::check(attribute, legal, entries, errors)
    }

    /// Takes the entries of a nested list, by the same rules.
    pub(crate) fn check(
        attribute: &str,
        legal: &[&str],
        entries: Vec<Entry>,
        errors: &mut Errors,
    ) -> Self {
        let mut kept: Vec<Entry> = Vec::new();
        for entry in entries {
            let key = entry.key.unraw().to_string();
            if !legal.contains(&key.as_str()) {
                let legal: Vec<String> = legal.iter().map(|key| format!("`{key}`")).collect();
                errors.push(
                    &entry.key,
                    format!(
                        "unknown `{attribute}` option `{key}`; the options are {}",
                        legal.join(", ")
                    ),
                );
            } else if kept.iter().any(|other| other.key.unraw() == key) {
                errors.push(&entry.key, format!("`{key}` is given twice; leave one out"));
            } else {
                kept.push(entry);
            }
        }
        Self(kept)
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<Entry> {
        let at = self.0.iter().position(|entry| entry.key.unraw() == key)?;
        Some(self.0.remove(at))
    }

    /// `key = "text"`
    pub(crate) fn string(
        &mut self,
        key: &str,
        example: &str,
        errors: &mut Errors,
    ) -> Option<LitStr> {
        let entry = self.take(key)?;
        match entry.value {
            Value::Lit(Lit::Str(text)) => Some(text),
            _ => {
                errors.add(syn::Error::new(
                    entry.span(),
                    format!("`{key}` is a text: write `{key} = {example}`"),
                ));
                None
            }
        }
    }

    /// `key`, alone
    pub(crate) fn flag(&mut self, key: &str, errors: &mut Errors) -> Option<Ident> {
        let entry = self.take(key)?;
        if !matches!(entry.value, Value::Nothing) {
            let message = format!("`{key}` stands alone, without a value: write `{key}`");
            errors.add(syn::Error::new(entry.span(), message));
        }
        Some(entry.key)
    }

    /// `key = 1`, at least `least`
    pub(crate) fn integer(&mut self, key: &str, least: u32, errors: &mut Errors) -> Option<LitInt> {
        let entry = self.take(key)?;
        if let Value::Lit(Lit::Int(number)) = &entry.value
            && number
                .base10_parse::<u32>()
                .is_ok_and(|parsed| parsed >= least)
        {
            return Some(number.clone());
        }
        let message = format!(
            "`{key}` is a whole number from {least}: write `{key} = {}`",
            least.max(1)
        );
        errors.add(syn::Error::new(entry.span(), message));
        None
    }

    /// `key = path`
    pub(crate) fn path(&mut self, key: &str, example: &str, errors: &mut Errors) -> Option<Path> {
        let entry = self.take(key)?;
        match entry.value {
            Value::Path(path) => Some(path),
            _ => {
                let message =
                    format!("`{key}` is a name without quotes: write `{key} = {example}`");
                errors.add(syn::Error::new(entry.span(), message));
                None
            }
        }
    }

    /// `key = "200ms"`, in milliseconds
    pub(crate) fn duration(&mut self, key: &str, errors: &mut Errors) -> Option<(u64, Span)> {
        let entry = self.take(key)?;
        let span = entry.span();
        let millis = match &entry.value {
            Value::Lit(Lit::Str(text)) => millis(&text.value()),
            _ => None,
        };
        if millis.is_none() {
            let message = format!(
                "`{key}` is a duration above zero: write `{key} = \"200ms\"`, `\"5s\"`, `\"10m\"` or `\"1h\"`"
            );
            errors.add(syn::Error::new(span, message));
        }
        Some((millis?, span))
    }

    /// `key(…)`
    pub(crate) fn list(
        &mut self,
        key: &str,
        example: &str,
        errors: &mut Errors,
    ) -> Option<Vec<Entry>> {
        let entry = self.take(key)?;
        match entry.value {
            Value::List(list) => Some(list),
            _ => {
                let message = format!("`{key}` is a list: write `{key}({example})`");
                errors.add(syn::Error::new(entry.span(), message));
                None
            }
        }
    }
}

fn millis(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(unit)
        .filter(|millis| *millis > 0)
}
