//! As much HTML as index pages need: `<a>` and `<base>` with their attributes. Tolerant, linear, no tree.

/// A link, its attributes unescaped.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) href: String,
    pub(crate) requires_python: Option<String>,
    pub(crate) yanked: Option<String>,
}

/// What a page holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Links {
    /// What links are relative to, when it is not the page.
    pub(crate) base: Option<String>,
    pub(crate) anchors: Vec<Anchor>,
}

/// Reads all links of a page.
pub(crate) fn read(html: &str) -> Links {
    let mut links = Links::default();
    let mut rest = html;
    while let Some((_, tag)) = rest.split_once('<') {
        if let Some(comment) = tag.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let end =
            tag.find(|c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/' | '<')).unwrap_or(tag.len());
        let (name, attributes) = tag.split_at(end);
        if name.eq_ignore_ascii_case("a") {
            let mut anchor = Anchor::default();
            let mut has_target = false;
            rest = each_attribute(attributes, |name, value| match name {
                "href" if !has_target => {
                    has_target = true;
                    anchor.href = value;
                }
                "data-requires-python" => anchor.requires_python = Some(value),
                "data-yanked" => anchor.yanked = Some(value),
                _ => {}
            });
            if has_target {
                links.anchors.push(anchor);
            }
        } else if name.eq_ignore_ascii_case("base") {
            rest = each_attribute(attributes, |name, value| {
                if name == "href" && links.base.is_none() {
                    links.base = Some(value);
                }
            });
        } else {
            rest = attributes;
        }
    }
    links
}

/// Hands out the attributes of a tag, names in lower case, and answers what follows its `>`.
fn each_attribute(mut rest: &str, mut take: impl FnMut(&str, String)) -> &str {
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return after;
        }
        if rest.is_empty() {
            return rest;
        }
        // A name may begin with anything, even `=`, so that every round takes at least one character.
        let is_end = |(at, c): (usize, char)| {
            (at > 0 && (c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/'))).then_some(at)
        };
        let end = rest.char_indices().find_map(is_end).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (value, after) = match after.trim_start().strip_prefix('=') {
            None => ("", after),
            Some(value) => split_value(value.trim_start()),
        };
        take(&name.to_ascii_lowercase(), unescape(value));
        rest = after;
    }
}

fn split_value(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(quoted) = text.strip_prefix(quote) {
            return quoted.split_once(quote).unwrap_or((quoted, ""));
        }
    }
    text.split_at(text.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(text.len()))
}

/// Resolves the character references that attributes of index pages hold; others stay as they are.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, reference)) = rest.split_once('&') {
        out.push_str(before);
        let found = reference.char_indices().take(10).find(|(_, c)| *c == ';');
        let known =
            found.and_then(|(end, _)| Some((resolve(reference.get(..end)?)?, reference.get(end + 1..)?)));
        match known {
            Some((letter, after)) => {
                out.push(letter);
                rest = after;
            }
            None => {
                out.push('&');
                rest = reference;
            }
        }
    }
    out.push_str(rest);
    out
}

fn resolve(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hrefs(html: &str) -> Vec<String> {
        read(html).anchors.into_iter().map(|anchor| anchor.href).collect()
    }

    #[test]
    fn a_page_of_an_index() {
        let links = read(
            "<!DOCTYPE html><html><head><base href=\"https://f.example/\"><title>Links</title></head><body>\n\
             <!-- <a href=\"hidden\">x</a> -->\n\
             <a href=\"a.whl#sha256=00\" data-requires-python=\"&gt;=3.9,&lt;4\" data-yanked=\"\">a.whl</a><br/>\n\
             <A class=x HREF='b.whl?x=1&amp;y=2'>b</A></body></html>",
        );
        assert_eq!(links.base.as_deref(), Some("https://f.example/"));
        let first = Anchor {
            href: "a.whl#sha256=00".into(),
            requires_python: Some(">=3.9,<4".into()),
            yanked: Some(String::new()),
        };
        assert_eq!(links.anchors[0], first);
        assert_eq!(links.anchors[1].href, "b.whl?x=1&y=2");
        assert_eq!(links.anchors.len(), 2);
    }

    #[test]
    fn invalid_html_is_parsed_leniently() {
        assert_eq!(hrefs("<a href=x>1<a href = y >2"), ["x", "y"]);
        assert_eq!(hrefs("<a\nhref=\"x\"/>"), ["x"]);
        assert_eq!(hrefs("<a href=\"x\" href=\"y\">"), ["x"]);
        assert_eq!(hrefs("<abbr href=x><a name=x></a>"), [""; 0]);
        assert_eq!(hrefs("<a href=\"never closed"), ["never closed"]);
        assert_eq!(hrefs("< a href=x> <a =<a => <a data-yanked href=é>"), ["é"]);
        assert_eq!(hrefs("<a href='&#47;&#x2F;&nope;&#xFFFFFFFF;&'>"), ["//&nope;&#xFFFFFFFF;&"]);
    }

    #[test]
    fn hostile_pages_take_linear_time() {
        for piece in ["<a ", "<a href=", "&", "<!--", "<a =", "<"] {
            read(&piece.repeat(200_000));
        }
    }
}
