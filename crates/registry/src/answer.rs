use wainwright_http::Answer;

/// The most redirects that are followed to the bytes of a blob or a manifest.
pub(crate) const MOST_REDIRECTS: usize = 10;

/// Whether a status leads elsewhere.
pub(crate) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The `Content-Type` without parameters, in lower case.
pub(crate) fn content_type(answer: &Answer) -> String {
    let text = answer.header("content-type").unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether what came is a web page, as portals and proxies send it.
pub(crate) fn is_html(answer: &Answer) -> bool {
    content_type(answer) == "text/html"
}
