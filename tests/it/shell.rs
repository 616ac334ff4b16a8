//! Completions for shells and pages for man, as the program prints them.

/// Each shell gets a script that knows every verb, and man a page of it.
#[test]
fn shells_and_man_are_told_every_verb() {
    let run = |words: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_leadstream"))
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let definition = leadstream::cli::definition();
    let verbs: Vec<&str> = definition
        .get_subcommands()
        .map(|it| it.get_name())
        .collect();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]);
        for verb in &verbs {
            assert!(script.contains(verb), "{shell}: {verb}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("leadstream.bash");
    std::fs::write(&script, run(&["completions", "bash"])).unwrap();
    let mut bash = std::process::Command::new("bash");
    assert!(bash.arg("-n").arg(&script).status().unwrap().success());
    assert!(run(&["manual"]).contains(".TH leadstream 1"));
    let pages = folder.path().join("man");
    run(&["manual", "--to", pages.to_str().unwrap()]);
    for verb in verbs {
        let page = pages.join(format!("leadstream-{verb}.1"));
        assert!(page.exists(), "{}", page.display());
    }
}
