//! Reads what the files of a crate declare, import and name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

/// A module as the compiler counts them: a file, or `mod name { ... }` in one.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// The file's module, which is what uses are counted for.
    pub(super) file: Vec<String>,
    /// Modules declared here.
    pub(super) children: BTreeSet<String>,
    /// Functions, types, constants and macros defined here.
    pub(super) items: BTreeSet<String>,
    /// Imported names.
    pub(super) imports: Vec<Import>,
    /// Paths of modules whose names are all imported.
    pub(super) globs: Vec<Vec<String>>,
    /// Paths in the code, single names included.
    pub(super) paths: BTreeSet<Vec<String>>,
    /// Names of variables: what is called like one is taken for it.
    pub(super) variables: BTreeSet<String>,
}

#[derive(Debug)]
pub(super) struct Import {
    pub(super) name: String,
    pub(super) path: Vec<String>,
    /// Whether it is visible outside: a re-export.
    pub(super) is_public: bool,
}

/// The scopes of a crate by their paths from its root.
pub(super) type Scopes = BTreeMap<Vec<String>, Scope>;

/// The source files in a folder and below it, with paths relative to it.
pub(super) fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner).unwrap_or_else(|error| panic!("{}: {error}", inner.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.insert(path.strip_prefix(folder).unwrap().to_owned(), text);
            }
        }
    }
    files
}

/// Follows `mod` from the root to every file, as the compiler does.
pub(super) fn scopes(files: &BTreeMap<PathBuf, String>) -> Scopes {
    let root = ["lib.rs", "main.rs"].map(PathBuf::from).into_iter().find(|root| files.contains_key(root));
    let root = root.expect("a crate has a `lib.rs` or a `main.rs`");
    let mut scopes = Scopes::new();
    let mut read = BTreeSet::from([root.clone()]);
    let mut next = vec![(Vec::new(), root)];
    while let Some((module, path)) = next.pop() {
        let file =
            syn::parse_file(&files[&path]).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut reader = Reader { file: module.clone(), module, scopes: &mut scopes, declared: Vec::new() };
        reader.items(&file.items);
        for child in reader.declared {
            let base: PathBuf = child.iter().collect();
            let choices = [base.with_extension("rs"), base.join("mod.rs")];
            let path = choices.into_iter().find(|path| files.contains_key(path));
            let path = path.unwrap_or_else(|| panic!("`{}` has no file", child.join("::")));
            read.insert(path.clone());
            next.push((child, path));
        }
    }
    let forgotten: Vec<_> = files.keys().filter(|path| !read.contains(*path)).collect();
    assert!(forgotten.is_empty(), "no `mod` leads to {forgotten:?}");
    scopes
}

/// Walks through one file.
struct Reader<'a> {
    file: Vec<String>,
    module: Vec<String>,
    scopes: &'a mut Scopes,
    /// Children with files of their own.
    declared: Vec<Vec<String>>,
}

impl Reader<'_> {
    fn scope(&mut self) -> &mut Scope {
        let new = || Scope { file: self.file.clone(), ..Scope::default() };
        self.scopes.entry(self.module.clone()).or_insert_with(new)
    }

    fn items(&mut self, items: &[Item]) {
        self.scope();
        for item in items {
            if let Some(name) = name(item) {
                self.scope().items.insert(name);
            }
            self.visit_item(item);
        }
    }

    fn import(&mut self, tree: &UseTree, path: &[String], is_public: bool) {
        let with = |name: &syn::Ident| [path, &[name.to_string()]].concat();
        let (name, path) = match tree {
            UseTree::Path(inner) => return self.import(&inner.tree, &with(&inner.ident), is_public),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.import(tree, path, is_public));
            }
            UseTree::Glob(_) => return self.scope().globs.push(path.to_vec()),
            UseTree::Name(name) if name.ident == "self" => {
                (path.last().cloned().unwrap_or_default(), path.to_vec())
            }
            UseTree::Name(name) => (name.ident.to_string(), with(&name.ident)),
            UseTree::Rename(name) if name.ident == "self" => (name.rename.to_string(), path.to_vec()),
            UseTree::Rename(name) => (name.rename.to_string(), with(&name.ident)),
        };
        self.scope().imports.push(Import { name, path, is_public });
    }

    /// The paths in tokens that are not parsed: arguments of macros and attributes.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        // After `.` (not `..`) stands a field or a method, after `<T as Trait>::` a name of the trait.
        let mut is_foreign = false;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.name(std::mem::take(&mut path));
                    }
                    if !is_foreign {
                        path.push(name.to_string());
                    }
                    (colons, is_foreign) = (0, false);
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => {
                    colons += 1;
                    is_foreign |= colons == 2 && path.is_empty();
                }
                other => {
                    self.name(std::mem::take(&mut path));
                    colons = 0;
                    is_foreign =
                        !is_foreign && matches!(&other, TokenTree::Punct(mark) if mark.as_char() == '.');
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.name(path);
    }

    fn name(&mut self, path: Vec<String>) {
        if !path.is_empty() {
            self.scope().paths.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let name = item.ident.to_string();
        self.scope().children.insert(name.clone());
        self.module.push(name);
        match &item.content {
            Some((_, items)) => self.items(items),
            None => self.declared.push(self.module.clone()),
        }
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            self.import(&item.tree, &[], !matches!(item.vis, Visibility::Inherited));
        }
    }

    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        self.scope().variables.insert(pattern.ident.to_string());
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.name(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        visit::visit_macro(self, call);
        self.tokens(call.tokens.clone());
    }

    /// `#[serde(with = "crate::text")]` names a module in a string and means functions in it.
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let syn::Meta::List(list) = &attribute.meta else { return };
        self.tokens(list.tokens.clone());
        for token in list.tokens.clone() {
            if list.path.is_ident("serde")
                && let TokenTree::Literal(literal) = token
                && let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string())
                && let Ok(path) = text.parse::<syn::Path>()
            {
                self.visit_path(&path);
                let path: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
                for function in ["serialize", "deserialize"] {
                    self.name([&path[..], &[function.to_owned()]].concat());
                }
            }
        }
    }

    /// `pub(in crate::a)` uses nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

/// The name that an item defines.
fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}
