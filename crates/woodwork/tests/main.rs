//! What workflow files say, and what is refused.

use wainwright_woodwork::{Compat, read};

#[test]
fn a_workflow_is_read() {
    let text = "model = llm openai {\n    api_key: $KEY\n}\n\nin = input api {\n}\n";
    let workflow = read("main.ww", text, Compat::Engine).unwrap();
    let model = workflow.component("model").unwrap();
    assert_eq!((model.service.as_str(), model.is_image()), ("model", true));
    assert_eq!(model.requirements, ["langchain", "langchain-core", "langchain-openai"]);
    assert_eq!(workflow.component("in").unwrap().routes, ["model"]);
    assert_eq!(workflow.env_names, ["KEY"]);
}
