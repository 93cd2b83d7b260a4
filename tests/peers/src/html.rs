use std::cell::RefCell;
use std::time::Instant;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

#[path = "../../../crates/pypi/src/html.rs"]
mod ours;

/// Keeps the targets of links.
#[derive(Default)]
struct Links(RefCell<Vec<String>>);

impl TokenSink for Links {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        if let Token::TagToken(Tag { kind: TagKind::StartTag, name, attrs, .. }) = token
            && &*name == "a"
        {
            let href = attrs.iter().find(|attribute| &*attribute.name.local == "href");
            self.0.borrow_mut().extend(href.map(|attribute| attribute.value.to_string()));
        }
        TokenSinkResult::Continue
    }
}

/// An index page as PyPI writes it.
fn page(files: usize) -> String {
    let mut page =
        String::from("<!DOCTYPE html>\n<html><head><title>Links</title></head><body><h1>Links</h1>\n");
    for file in 0..files {
        let name = format!("demo_{file}-1.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl");
        let digest = format!("{file:064x}");
        page += &format!(
            "<a href=\"https://files.example/packages/ab/cd/{name}#sha256={digest}\" data-requires-python=\"&gt;=3.9\" \
             data-dist-info-metadata=\"sha256={digest}\">{name}</a><br />\n"
        );
    }
    page + "</body></html>\n"
}

/// Both find the same links; `cargo test --release html -- --nocapture` prints how long it takes them. What decides is
/// the number of crates: 19 for a tokenizer, 43 for `scraper`.
#[test]
fn html5ever_finds_the_same_links() {
    let page = page(30_000);
    let start = Instant::now();
    let ours: Vec<String> = ours::read(&page).anchors.into_iter().map(|anchor| anchor.href).collect();
    let (our_time, start) = (start.elapsed(), Instant::now());
    let tokenizer = Tokenizer::new(Links::default(), TokenizerOpts::default());
    let queue = BufferQueue::default();
    queue.push_back(StrTendril::from(page.as_str()));
    let _ = tokenizer.feed(&queue);
    tokenizer.end();
    let their_time = start.elapsed();
    assert_eq!(ours, *tokenizer.sink.0.borrow());
    println!("{} bytes: ours {our_time:?}, html5ever {their_time:?}", page.len());
}
