//! How a gated pip ends, whatever becomes of its streams and of others of the same run.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::{Sdist, Wheel};
use serde_json::json;

use crate::support::{Finished, Sandbox, binary};

fn with_evil() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.add_wheel(Wheel::new("good", "1.0"));
    sandbox.world.add_sdist(Sdist::new("evil", "1.0").canary(sandbox.canary("evil")));
    sandbox.world.malicious(Ecosystem::PyPi, "evil", Some("1.0"));
    sandbox
}

/// Runs a line of bash in which `hook` is scfw-hook.
fn bash(sandbox: &Sandbox, line: &str) -> Finished {
    let script = format!("hook='{}'; {line}", binary("scfw-hook").display());
    sandbox.bare("bash", &["-c", &script])
}

#[test]
fn a_blocked_pip_ends_with_77_when_its_streams_are_closed_or_full() {
    let sandbox = with_evil();
    for streams in
        [">&-", "2>&-", ">&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full", "<&- >&- 2>&-"]
    {
        let finished = bash(&sandbox, &format!("\"$hook\" pip install --target out evil {streams}"));
        assert_eq!(finished.status, 77, "{streams}: {finished:?}");
        assert!(!sandbox.has_sung() && sandbox.list("out").is_empty(), "{streams}");
    }
}

#[test]
fn an_older_verdict_of_the_same_run_is_none_of_a_later_pip() {
    let sandbox = with_evil();
    let install = "pip install --no-cache-dir --target out";
    let scripts = format!(
        "({install} evil; echo $? > first; {install} no-such-xyz; echo $? > second; {install} good; echo $? > third)"
    );
    sandbox.write(
        "package.json",
        json!({"name": "p", "version": "1.0.0", "scripts": {"postinstall": scripts}}).to_string(),
    );
    sandbox.hook(&["npm", "install"]);
    let status = |name: &str| fs::read_to_string(sandbox.project(name)).unwrap();
    assert_eq!([status("first"), status("second"), status("third")], ["77\n", "1\n", "0\n"]);
    assert!(!sandbox.has_sung());
}

#[test]
fn requirements_from_a_pipe_are_pips_to_read_and_no_word_is_lost_about_it() {
    let sandbox = with_evil();
    for line in [
        "\"$hook\" pip install --target out -r <(echo good)",
        "echo good | \"$hook\" pip install --upgrade --target out -r /dev/stdin",
        "echo -r /dev/stdin > r.txt; echo good | \"$hook\" pip install --upgrade --target out -c /dev/null -r r.txt",
    ] {
        bash(&sandbox, line).ended_with(0).does_not_say("scfw");
        assert!(sandbox.list("out").contains(&"good.py".to_owned()), "{line}");
    }
    bash(&sandbox, "\"$hook\" pip install --target other -r <(echo evil)")
        .ended_with(77)
        .says("evil-1.0 is malicious");
    // What pip cannot read either is said.
    let finished = bash(&sandbox, "\"$hook\" pip install --target other -r missing.txt -r .");
    finished.says("missing.txt: cannot be read").says("is not a regular file");
}
