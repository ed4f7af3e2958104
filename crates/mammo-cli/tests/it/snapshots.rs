//! The help of every command, as a terminal of 100 columns shows it: a file per command in `snapshots/`.
//!
//! `INSTA_UPDATE=always cargo nextest run -p mammo-cli snapshot` writes the files anew; `git diff` then shows the change.

use crate::program::command;

/// The commands of every page of help.
const COMMANDS: [&[&str]; 25] = [
    &[],
    &["demo"],
    &["fit"],
    &["phantom"],
    &["import"],
    &["split"],
    &["doctor"],
    &["sample"],
    &["train"],
    &["train", "patch"],
    &["train", "image"],
    &["train", "exam"],
    &["transfer"],
    &["preprocess"],
    &["predict"],
    &["evaluate"],
    &["heatmap"],
    &["report"],
    &["model"],
    &["model", "import"],
    &["model", "inspect"],
    &["model", "list"],
    &["model", "describe"],
    &["model", "shrink"],
    &["model", "export"],
];

fn help(commands: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let args = [commands, &["--help"]].concat();
    let output = command(folder.path(), &args).env("COLUMNS", "100").output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn the_help_of_every_command_is_the_committed_one() {
    for commands in COMMANDS {
        let name = ["mammo", &commands.join("_")].join("_");
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name.trim_end_matches('_'), help(commands));
        });
    }
}

#[test]
fn every_command_that_the_help_lists_has_a_snapshot() {
    for commands in [&[][..], &["train"], &["model"]] {
        let help = help(commands);
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let mut n = 0;
        for line in listed.take_while(|line| !line.is_empty()) {
            // A line that continues a description is indented further.
            let Some(name) = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) else { continue };
            let command = name.split_whitespace().next().unwrap();
            assert!(
                command == "help" || COMMANDS.contains(&[commands, &[command]].concat().as_slice()),
                "{command}"
            );
            n += 1;
        }
        assert!(n > 2, "{help}");
    }
}
