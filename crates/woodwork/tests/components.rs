//! What is known of checked components.

use wainwright_woodwork::{Content, Place};

use crate::{told, workflow};

const SUPPORT: &str = r#"
in = input api {
    port: 8001
}

Support_Agent = agent llm {
    model: model
    tools: [shop, notes]
    prompt: {
        file: "./prompts/agent.txt"
    }
    hooks: [
        {
            event: "agent.thought"
            script_path: "hooks/log.py"
            function_name: "seen"
        }
    ]
    resources: {
        cpu: "250m"
        memory: "256Mi"
    }
    replicas: 2
}

model = llm openai {
    api_key: $OPENAI_API_KEY
    memory: mem
    knowledge_base: [book]
}

mem = memory short_term {
}

book = knowledge_base text_file {
    path: "book.txt"
}

notes = knowledge_base chroma {
    api_key: $OPENAI_API_KEY
    file_to_embed: "notes.pdf"
    requirements: ["chromadb<2"]
}

shop = api functions {
    path: "shop/functions.py"
    requirements: []
}
"#;

#[test]
fn components_are_placed() {
    let workflow = workflow(SUPPORT);
    let images: Vec<&str> = workflow.images().map(|it| it.service.as_str()).collect();
    assert_eq!(images, ["in", "support-agent", "model", "shop"]);
    assert_eq!(workflow.order, ["in", "mem", "book", "model", "shop", "notes", "Support_Agent"]);
    let component = |name: &str| workflow.component(name).unwrap();
    assert_eq!(component("model").folded, ["mem", "book"]);
    assert_eq!(component("Support_Agent").folded, ["notes"]);
    assert_eq!(component("mem").folded_into, ["model"]);
    assert_eq!(component("in").routes, ["Support_Agent"]);
    assert_eq!(component("model").routes, [""; 0]);
    assert_eq!(component("in").port, Some(8001));
}

#[test]
fn components_list_their_needs() {
    let workflow = workflow(SUPPORT);
    let component = |name: &str| workflow.component(name).unwrap();
    assert_eq!(component("model").requirements, ["langchain", "langchain-core", "langchain-openai"]);
    assert_eq!(component("Support_Agent").requirements, ["langchain-core"]);
    assert_eq!(component("notes").requirements, ["chromadb<2"]);
    assert_eq!(component("shop").requirements, [""; 0]);
    let files = |name: &str| -> Vec<String> {
        component(name).files.iter().map(|file| format!("{}={}", file.key, file.path)).collect()
    };
    assert_eq!(files("Support_Agent"), ["prompt.file=prompts/agent.txt"]);
    assert_eq!(files("shop"), ["path=shop/functions.py"]);
    assert_eq!(files("notes"), ["file_to_embed=notes.pdf"]);
    assert_eq!(component("notes").env_names, ["OPENAI_API_KEY"]);
    assert_eq!(component("notes").kind.secrets().collect::<Vec<_>>(), ["api_key"]);
    let agent = component("Support_Agent");
    assert_eq!(
        (agent.resources.cpu.as_deref(), agent.resources.memory.as_deref()),
        (Some("250m"), Some("256Mi"))
    );
    assert_eq!(agent.replicas, Some(2));
    let settings = serde_json::to_string(&agent.settings()).unwrap();
    assert_eq!(
        settings,
        r#"{"model":{"$ref":"model"},"tools":[{"$ref":"shop"},{"$ref":"notes"}],"prompt":{"file":"./prompts/agent.txt"}}"#
    );
    assert!(matches!(agent.config.get("replicas").unwrap().content, Content::Number(_)));
}

#[test]
fn places_match_table() {
    let place = |kind: &str, body: &str| {
        let workflow = workflow(&format!("x = {kind} {{\n{body}\n}}\n"));
        let component = workflow.components.first().unwrap();
        let beside = component.kind.beside.map(|service| service.name);
        match component.kind.place {
            _ if component.is_image() => format!("image, {}", beside.unwrap_or("alone")),
            Place::Service(service) => format!("service {} {:?}", service.name, service.ports),
            Place::LeftOut { .. } => "left out".into(),
            Place::DockerSocket => "socket".into(),
            Place::Folded { .. } | Place::Image => "folded".into(),
        }
    };
    assert_eq!(place("api web", "url: \"x\""), "image, alone");
    assert_eq!(place("memory short_term", ""), "image, alone");
    assert_eq!(place("llm ollama", "model: \"x\""), "image, ollama");
    assert_eq!(place("mcp server", "server: \"a/b\""), "image, alone");
    assert_eq!(place("knowledge_base text_file", "path: \"x\""), "folded");
    assert_eq!(
        place("knowledge_base neo4j", "uri: \"x\"\nuser: \"x\"\npassword: $P"),
        "service neo4j [7687, 7474]"
    );
    assert_eq!(place("input command_line", ""), "left out");
    assert_eq!(place("output voice", ""), "left out");
    assert_eq!(place("vm server", "components: []"), "left out");
    assert_eq!(place("core command_line", ""), "socket");
    assert_eq!(place("environment coding", ""), "socket");
}

#[test]
fn hooks_have_one_form() {
    let text = r#"
a = input api {
    hooks: [
        { function: "f", script: "./a/b.py", event: "x.y" },
        "sub::d.py::g"
    ]
    pipes: []
}
"#;
    let workflow = workflow(text);
    let hooks = workflow.components.first().unwrap().hooks.clone();
    let hooks: Vec<_> =
        hooks.iter().map(|it| [it.event.as_str(), &it.script, &it.function].join(" ")).collect();
    assert_eq!(hooks, ["x.y a/b.py f", "input.received sub::d.py g"]);
    let codes: Vec<_> = workflow.warnings.iter().map(|warning| warning.code).collect();
    assert!(codes.contains(&"W-EVENT") && codes.contains(&"W-HOOK-FORM"), "{codes:?}");
}

#[test]
fn inputs_find_the_first_agent_else_the_first_model() {
    let model = "m = llm ollama {\n model: \"x\"\n}\n";
    let agent = "z = agent llm {\n model: m\n tools: []\n}\n";
    let input = "i = input command_line {}\nj = input api {\n to: m\n}\n";
    let routes = |text: &str| {
        let workflow = workflow(text);
        let routes = |name: &str| workflow.component(name).unwrap().routes.join(" ");
        (routes("i"), routes("j"))
    };
    assert_eq!(routes(&[model, agent, input].concat()), ("z".into(), "m".into()));
    assert_eq!(routes(&[input, model].concat()), ("m".into(), "m".into()));
}

#[test]
fn a_memory_as_a_tool_is_an_image() {
    let text = "a = agent llm {\n model: m\n tools: [x]\n}\nb = agent llm {\n model: m\n tools: [x]\n}\nm = llm ollama {\n model: \"q\"\n}\nx = memory short_term {}\n";
    let workflow = workflow(text);
    assert!(workflow.component("x").unwrap().is_image());
    // As a part it is in one image, and not in two.
    let told = told(text.replace("tools: [x]", "tools: []\n memory: x"));
    assert!(told.contains("E-SHARED-MEMORY: `x` is used by two images, `a` and `b`"), "{told}");
}

#[test]
fn what_is_folded_into_a_folded_component_is_in_its_image() {
    let text = "a = llm ollama {\n model: \"q\"\n memory: x\n}\nx = memory short_term {\n book: k\n}\nk = knowledge_base text_file {\n path: \"b.txt\"\n}\n";
    let workflow = workflow(text);
    assert_eq!(workflow.component("a").unwrap().folded, ["k", "x"]);
    assert_eq!(workflow.component("k").unwrap().folded_into, ["a"]);
}
