use clap::Args;

use crate::console::print;

/// Print a completion script for a shell
#[derive(Args)]
#[command(after_help = "Example: wain completions bash > ~/.local/share/bash-completion/completions/wain")]
pub(crate) struct Completions {
    /// Shell
    shell: clap_complete::Shell,
}

/// `wain completions`; `command` is the whole of `wain`.
pub(crate) fn completions(arguments: &Completions, mut command: clap::Command) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "wain", &mut script);
    print(&String::from_utf8_lossy(&script))
}
