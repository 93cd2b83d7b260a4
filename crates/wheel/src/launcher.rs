use crate::entry_points::Script;

/// The file an entry point becomes.
///
/// Byte for byte what uv writes (`get_script_launcher` in its `uv-install-wheel`), so that a comparison with its result
/// is empty.
pub(crate) fn launcher(script: &Script, interpreter: &str) -> Vec<u8> {
    let Script { module, function } = script;
    let import = function.split('.').next().unwrap_or(function);
    let shebang = shebang(interpreter);
    format!(
        r#"{shebang}
# -*- coding: utf-8 -*-
import sys
from {module} import {import}
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({function}())
"#
    )
    .into_bytes()
}

/// What a script of the wheel must start with to get the interpreter's path (binary distribution format, "Recommended
/// installer features").
pub(crate) const PLACEHOLDER: &[u8] = b"#!python";

/// Gives a script that starts with [`PLACEHOLDER`] a first line of our own.
///
/// The old line ends at the first line feed or carriage return, as it does for uv; one of each is one end.
pub(crate) fn rewrite(script: &[u8], interpreter: &str) -> Vec<u8> {
    let line = script.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    let rest = line.and_then(|line| script.get(line..)).unwrap_or_default();
    let rest =
        [&b"\r\n"[..], b"\n", b"\r"].iter().find_map(|end| rest.strip_prefix(*end)).unwrap_or_default();
    let mut rewritten = shebang(interpreter).into_bytes();
    rewritten.push(b'\n');
    rewritten.extend_from_slice(rest);
    rewritten
}

/// The first line, without its end. Linux reads only 127 bytes of it and splits it at spaces; such an interpreter is
/// started by a shell, in lines that are a string to Python.
fn shebang(interpreter: &str) -> String {
    if "#!".len() + interpreter.len() + "\n".len() <= 127 && !interpreter.contains(' ') {
        return format!("#!{interpreter}");
    }
    let quoted = interpreter.replace('\'', r#"'"'"'"#);
    format!("#!/bin/sh\n'''exec' '{quoted}' \"$0\" \"$@\"\n' '''")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_path_imports_its_first_part() {
        let script = Script { module: "a.b".into(), function: "C.main".into() };
        let text = String::from_utf8(launcher(&script, "/app/.venv/bin/python")).unwrap();
        insta::assert_snapshot!(text, @r#"
        #!/app/.venv/bin/python
        # -*- coding: utf-8 -*-
        import sys
        from a.b import C
        if __name__ == "__main__":
            if sys.argv[0].endswith("-script.pyw"):
                sys.argv[0] = sys.argv[0][:-11]
            elif sys.argv[0].endswith(".exe"):
                sys.argv[0] = sys.argv[0][:-4]
            sys.exit(C.main())
        "#);
    }

    #[test]
    fn a_long_or_spaced_interpreter_goes_through_a_shell() {
        let fits = format!("/{}", "x".repeat(123));
        assert_eq!(shebang(&fits), format!("#!{fits}"));
        let long = format!("/{}", "x".repeat(124));
        assert_eq!(shebang(&long), format!("#!/bin/sh\n'''exec' '{long}' \"$0\" \"$@\"\n' '''"));
        assert!(shebang("/my app/it's").contains(r#"'/my app/it'"'"'s'"#));
    }

    #[test]
    fn only_the_first_line_is_replaced() {
        assert_eq!(rewrite(b"#!python3 -E\nimport x\n", "/p"), b"#!/p\nimport x\n");
        assert_eq!(rewrite(b"#!pythonw\r\nx\r\n", "/p"), b"#!/p\nx\r\n");
        assert_eq!(rewrite(b"#!python\rx\n", "/p"), b"#!/p\nx\n");
        assert_eq!(rewrite(b"#!python", "/p"), b"#!/p\n");
    }
}
