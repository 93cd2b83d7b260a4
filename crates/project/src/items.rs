//! Values of settings in the shapes that several keys share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use crate::document::Item;
use crate::values::{check_absolute, cut};
use crate::{Error, Quantity};

/// Reads every value of an array, and refuses one that stands there twice.
pub(crate) fn distinct<T: Ord + Clone>(
    items: Vec<Item<'_>>,
    read: impl Fn(&Item<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut seen = BTreeSet::new();
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        let value = read(&item)?;
        if !seen.insert(value.clone()) {
            return Err(item.refuse(format!("`{}` lists this twice", item.key)));
        }
        values.push(value);
    }
    Ok(values)
}

pub(crate) fn checked(item: &Item<'_>, check: impl Fn(&str) -> Result<(), String>) -> Result<String, Error> {
    let text = item.string()?;
    check(text).map_err(|what| item.refuse(what))?;
    Ok(text.to_owned())
}

/// A table of strings whose keys follow a grammar; the strings are kept byte for byte.
pub(crate) fn map(
    item: Option<Item<'_>>,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<BTreeMap<String, String>, Error> {
    let Some(item) = item else { return Ok(BTreeMap::new()) };
    let mut map = BTreeMap::new();
    for (key, (_, item)) in item.table()?.items() {
        check(key).map_err(|what| item.refuse(what))?;
        map.insert(key.to_owned(), item.string()?.to_owned());
    }
    Ok(map)
}

pub(crate) fn number_or_text<T: std::str::FromStr<Err: Display>>(item: &Item<'_>) -> Result<T, Error> {
    if item.is_integer() {
        return item.integer()?.to_string().parse().map_err(|error: T::Err| item.refuse(error));
    }
    item.parse()
}

pub(crate) fn command(item: &Item<'_>) -> Result<Vec<String>, Error> {
    if item.is_string() {
        let words: Vec<String> =
            item.string()?.split_whitespace().map(|word| format!("\"{}\"", cut(word))).collect();
        return Err(item.refuse_with(
            format!("`{}` must be an array, because no shell splits the command", item.key),
            format!("write {} = [{}]", item.key, words.join(", ")),
        ));
    }
    let words = item.strings()?;
    if words.first().is_none_or(String::is_empty) {
        return Err(item.refuse(format!("`{}` is empty", item.key)));
    }
    Ok(words)
}

pub(crate) fn volume(item: &Item<'_>) -> Result<String, Error> {
    checked(item, check_volume)
}

fn check_volume(path: &str) -> Result<(), String> {
    check_absolute(path)?;
    if path == "/" { Err("the whole image cannot be a volume".into()) } else { Ok(()) }
}

/// A table of paths and how large their volumes are.
pub(crate) fn volume_sizes(item: &Item<'_>) -> Result<BTreeMap<String, Quantity>, Error> {
    let mut sizes = BTreeMap::new();
    for (path, (_, item)) in item.table()?.items() {
        check_volume(path).map_err(|what| item.refuse(what))?;
        sizes.insert(path.to_owned(), quantity(&item)?);
    }
    Ok(sizes)
}

pub(crate) fn quantity(item: &Item<'_>) -> Result<Quantity, Error> {
    let text = if item.is_integer() { item.integer()?.to_string() } else { item.string()?.to_owned() };
    text.parse().map_err(|error: crate::NotAQuantity| item.refuse_with(&error, error.hint()))
}

/// An integer from `least` to `most`.
pub(crate) fn number(item: &Item<'_>, least: u16, most: u16) -> Result<u16, Error> {
    let number = item.integer()?;
    match u16::try_from(number).ok().filter(|number| (least..=most).contains(number)) {
        Some(number) => Ok(number),
        None => Err(item.refuse(format!("`{}` must be from {least} to {most}, and is {number}", item.key))),
    }
}
