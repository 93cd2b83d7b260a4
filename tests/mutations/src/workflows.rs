//! Workflows.

use wainwright_woodwork::{Compat, Stage, check, parse, print, read};

/// Every stage; what is printed is read again as the same.
pub(crate) fn workflow(bytes: &[u8]) {
    let found = |text: &[u8], stage| {
        let verdict = check(text, stage, Compat::Strict);
        assert!(verdict.problems.len() <= 100 && verdict.warnings.len() <= 1000);
        verdict.show("main.ww");
        (verdict.problems.is_empty(), serde_json::to_value(&verdict).unwrap_or_default())
    };
    let (is_sound, _) = found(bytes, Stage::Validate);
    assert_eq!(is_sound, read("main.ww", bytes, Compat::Strict).is_ok());
    let Ok(tree) = parse("main.ww", bytes) else { return };
    let printed = print(&tree);
    let components = |text: &[u8]| {
        let (_, found) = found(text, Stage::Parse);
        let components = found["components"].as_array().cloned().unwrap_or_default();
        let parts = ["name", "component", "type", "config"];
        components.iter().map(|it| parts.map(|part| it[part].clone())).collect::<Vec<_>>()
    };
    assert_eq!(components(bytes), components(printed.as_bytes()), "{printed}");
}

pub(crate) fn workflows() -> Vec<Vec<u8>> {
    let full = r#"# A shop.
in = input api {
    port: 8000
    to: helper
}

helper = agent llm {
    model: model
    tools: [shop, "notes"]
    prompt: { file: 'prompts/agent.txt' }
    hooks: [
        {
            event: "agent.thought"
            script_path: "hooks.py"
            function_name: "seen"
        },
        "pipes.py::shape"
    ]
}

model = llm openai {
    api_key: $KEY
    memory: mem
}
mem = memory short_term {}
notes = knowledge_base text_file { path: "notes.txt", }
shop = api functions {
    path: "shop.py" # here
    requirements: ["requests>=2"]
    resources: {
        cpu: 0.5
    }
}
"#;
    let small = [
        "",
        "a = kind one {}",
        "\u{feff}a = b c {\r\n k: [[1, -2.5e3], {d: true}]\r\n}",
        "a=k t{x:a,y:[b]}b=k t{z:a}",
    ];
    small.iter().copied().chain([full]).map(|text| text.as_bytes().to_vec()).collect()
}
