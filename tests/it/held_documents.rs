//! What an adversary tried on the other end of the gates, and on `scfw check --stdin`, and what held: documents that
//! are JSON and mean something else, or too much.

use scfw_core::package::Ecosystem;
use serde_json::json;

use crate::support::{Finished, Sandbox};

fn verify(sandbox: &Sandbox, document: &[u8]) -> Finished {
    sandbox.hook_with_input(&["verify"], document).does_not_say("panicked")
}

/// The text of a document with these targets, which need not be JSON.
fn document(targets: &str) -> String {
    format!(
        r#"{{"protocol": 1, "manager": "npm", "version": "11.0.0", "phase": "install", "argv": ["install"],
            "targets": [{targets}]}}"#
    )
}

fn with_evil() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox
}

const OLD: &str = r#""published": "2020-01-01T00:00:00Z""#;

#[test]
fn a_document_that_says_two_things_is_not_believed_in_the_milder() {
    let sandbox = with_evil();
    for target in [
        r#"{"name": "evil", "name": "good", "version": "1.0.0", "source": "registry", @}"#,
        r#"{"name": "good", "name": "evil", "version": "1.0.0", "source": "registry", @}"#,
        r#"{"name": "evil", "version": "1.0.0", "source": "registry", "source": "path", @}"#,
        r#"{"name": "evil", "version": "1.0.0", "source": "path", "source": "registry", @}"#,
        r#"{"name": "evil", "version": "1.0.0", "source": "registry", "accepted": true, "accepted": false, @}"#,
    ] {
        let text = document(&target.replace('@', OLD));
        let finished = verify(&sandbox, text.as_bytes());
        assert!([69, 77].contains(&finished.status), "{target}: {finished:?}");
    }
    let good = document(&format!(r#"{{"name": "good", "version": "1.0.0", "source": "registry", {OLD}}}"#));
    verify(&sandbox, good.as_bytes()).ended_with(0);
    // Targets that are taken away by a second list.
    let evil = document(&format!(r#"{{"name": "evil", "version": "1.0.0", "source": "registry", {OLD}}}"#));
    let twice = evil.trim_end().strip_suffix('}').unwrap().to_owned() + r#", "targets": []}"#;
    let finished = verify(&sandbox, twice.as_bytes());
    assert!([69, 77].contains(&finished.status), "{finished:?}");
    let followed = evil + "{}";
    let finished = verify(&sandbox, followed.as_bytes());
    assert!([69, 77].contains(&finished.status), "{finished:?}");
}

#[test]
fn a_name_that_is_no_text_is_no_name() {
    let sandbox = with_evil();
    for name in
        [r"\ud800", r"evil\udc00", r"evil\u0000", r"\u0000", "", " ", r"evil\n", r"evil\u2028", "..", "a/b/c"]
    {
        let target = format!(r#"{{"name": "{name}", "version": "1.0.0", "source": "registry", {OLD}}}"#);
        let finished = verify(&sandbox, document(&target).as_bytes());
        assert!([69, 77].contains(&finished.status), "{name}: {finished:?}");
        let version =
            format!(r#"{{"name": "good", "version": "1.0.0{name}x y", "source": "registry", {OLD}}}"#);
        let finished = verify(&sandbox, document(&version).as_bytes());
        assert!([69, 77].contains(&finished.status), "{name}: {finished:?}");
    }
}

#[test]
fn nothing_is_too_much_of_a_document() {
    let sandbox = with_evil();
    let levels = 50_000;
    let nested = "[".repeat(levels) + &"]".repeat(levels);
    for field in ["\"unknown\"", "\"argv\"", "\"version\"", "\"targets\""] {
        let text = format!(r#"{{"protocol": 1, {field}: {nested}}}"#);
        verify(&sandbox, text.as_bytes()).ended_with(69);
    }
    // More than any install has: a sentence, whether it is read to its end or not.
    let target = format!(r#"{{"name": "good", "version": "1.0.0", "source": "registry", {OLD}}},"#);
    let many = target.repeat(200_000);
    let finished = verify(&sandbox, document(many.trim_end_matches(',')).as_bytes());
    assert!([0, 69].contains(&finished.status), "{}", &finished.stderr[..finished.stderr.len().min(500)]);
    let evil = document(&(many + r#"{"name": "evil", "version": "1.0.0", "source": "registry"}"#));
    let finished = verify(&sandbox, evil.as_bytes());
    assert!([69, 77].contains(&finished.status), "{}", &finished.stderr[..finished.stderr.len().min(500)]);
    let blanks = vec![b' '; 130 << 20];
    let padded = [&blanks[..], document("").as_bytes()].concat();
    verify(&sandbox, &padded).ended_with(69);
}

#[test]
fn no_list_of_packages_is_too_hostile_to_check() {
    let sandbox = with_evil();
    let check = |input: &[u8]| sandbox.scfw_with_input(&["check", "--stdin"], input).does_not_say("panicked");
    for input in [
        &b"npm:a\0b\n"[..],
        b"npm:\x1b[2Jevil\n",
        b"\xef\xbb\xbf:evil\n",
        b"npm:evil\x0bnpm:good\n",
        b"pkg:npm/%00@1\n",
        b"pkg:npm/..%2f..@1\n",
    ] {
        let finished = check(input);
        assert_eq!(finished.status, 2, "{input:?}: {finished:?}");
        assert_eq!(finished.stdout, "", "{input:?}");
        assert!(!finished.stderr.contains(['\u{1b}', '\0', '\u{b}', '\u{feff}']), "{:?}", finished.stderr);
    }
    let long = format!("npm:{}\nnpm:evil\n", "x".repeat(2 << 20));
    let finished = check(long.as_bytes());
    assert!([2, 77].contains(&finished.status), "{}", finished.status);
    assert!(finished.stderr.len() < 65_536, "{}", finished.stderr.len());
    let many = "npm:good@1.0.0\n".repeat(20_000) + "npm:evil\n";
    check(many.as_bytes()).ended_with(77);
    let all = json!(["npm:evil"]).to_string();
    check(all.as_bytes()).ended_with(2);
}
