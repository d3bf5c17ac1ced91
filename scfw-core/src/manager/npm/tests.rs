use super::*;
use proptest::prelude::*;

fn words(line: &str) -> Vec<Cow<'static, str>> {
    line.split_whitespace().map(|word| Cow::from(word.to_owned())).collect()
}

fn install(line: &str) -> Install {
    match classify(&words(line)) {
        Invocation::Install(install) => *install,
        Invocation::Passthrough => panic!("npm {line} is an install"),
    }
}

fn request(line: &str) -> NodeRequest {
    match install(line).request {
        Request::Node(request) => request,
        Request::Python(_) | Request::Unknown => panic!("npm {line} names something"),
    }
}

#[test]
fn every_way_to_install_is_seen() {
    for line in [
        "install",
        "i foo",
        "in foo",
        "isntall foo",
        "add foo",
        "install-te",
        "installTest",
        "insta",
        "ci",
        "clean-install",
        "install-cl",
        "cit",
        "cleanInstallTest",
        "it",
        "update",
        "up",
        "udpate",
        "exec foo",
        "x foo",
        "exec -c true -p foo",
        "init foo",
        "create foo",
        "link",
        "link foo",
        "dedupe",
        "ddp",
        "audit fix",
        "audit --json fix",
        "rebuild",
        "rb",
        "uninstall foo",
        "prune",
        "pack git+ssh://x",
        "cache add foo",
        "diff --diff=a",
        "--registry http://x install foo",
        "-g i foo",
        "-gD i foo",
        "--loglevel silent i foo",
        "--save-dev install foo",
        "--no-save false install foo",
        "install foo --usage --no-usage",
        "install --dry-run=false --dry-run --no-dry-run foo",
        "--call x install foo",
        "--version i foo --no-version",
        "l foo",
        "--heard-of-never foo install bar",
        "-- install foo",
        "exec --dry-run foo",
    ] {
        assert!(matches!(classify(&words(line)), Invocation::Install(_)), "npm {line}");
    }
}

#[test]
fn what_installs_nothing_is_handed_over() {
    for line in [
        "", "--version", "-v", "-v install foo", "--versions", "run install", "run-script i", "test", "t",
        "ls", "list install", "view install", "view @s/x@1 versions", "docs", "owner ls x", "fund",
        "cache ls", "config set install x", "install --help", "install -h foo", "init", "init -y", "version",
        "pack", "publish", "exec", "help install", "start", "whoami", "nonsense", "--heard-of-never foo ls",
    ] {
        assert_eq!(classify(&words(line)), Invocation::Passthrough, "npm {line}");
    }
}

#[test]
fn npx_is_an_install_unless_it_has_nothing_to_run() {
    for line in [
        "foo", "-y foo", "--yes foo --version", "-p foo bar", "--package=foo -c bar", "--no-install foo",
        "-- foo", "--registry http://x foo",
    ] {
        assert!(matches!(classify_npx(&words(line)), Invocation::Install(_)), "npx {line}");
    }
    for line in ["", "--version", "-v", "--help", "-h foo"] {
        assert_eq!(classify_npx(&words(line)), Invocation::Passthrough, "npx {line}");
    }
}

#[test]
fn what_takes_no_notice_of_a_dry_run_is_an_install() {
    for line in [
        "rebuild --dry-run", "pack --dry-run git+ssh://x", "cache add x --dry-run", "init --dry-run x",
        "birthday", "stage publish x", "view github:a/b", "info a/b#x", "docs git+ssh://x",
        "repo x@https://h.example/x", "bugs ./x", "owner ls gist:0", "fund a/b", "audit", "audit signatures",
        "outdated", "query *", "find-dupes", "patch x", "i foo --dry-run", "ci --no-dry-run --dry-run",
        "update --dry-run",
    ] {
        assert!(matches!(classify(&words(line)), Invocation::Install(_)), "npm {line}");
    }
    for line in ["-y --otp -h foo", "--registry -h foo", "--npm -h -y foo", "--userconfig --version foo"] {
        assert!(matches!(classify_npx(&words(line)), Invocation::Install(_)), "npx {line}");
    }
}

#[test]
fn npx_names_the_package_that_it_would_fetch() {
    let specs = |line: &str| match classify_npx(&words(line)) {
        Invocation::Install(install) => match install.request {
            Request::Node(request) => request.specs,
            Request::Python(_) | Request::Unknown => Vec::new(),
        },
        Invocation::Passthrough => panic!("npx {line} is an install"),
    };
    assert_eq!(specs("-y foo@1 --package bar"), ["foo@1"]);
    assert_eq!(specs("-p foo -p @s/b@2 run it"), ["foo", "@s/b@2"]);
    assert_eq!(specs("--registry http://x foo"), ["foo"]);
}

#[test]
fn specs_are_told_from_options() {
    assert_eq!(
        request("i -D foo --registry http://x @s/b@1 --save-exact -- -c").specs,
        ["foo", "@s/b@1", "-c"]
    );
    assert_eq!(request("i --save true foo").specs, ["foo"]);
    assert!(request("ci").clean);
    assert!(request("i -g foo").global);
    assert_eq!(request("--prefix /x i foo").prefix.as_deref(), Some("/x"));
    assert_eq!(request("-C /x i foo").prefix.as_deref(), Some("/x"));
}

#[test]
fn an_install_that_overrides_the_switch_is_refused() {
    assert_eq!(install("i foo --no-dry-run").dry_run_refusal, Some(NO_DRY_RUN));
    assert_eq!(install("i foo --dry-run --no-dry-run").dry_run_refusal, Some(NO_DRY_RUN));
    assert_eq!(install("i foo --dry-run false").dry_run_refusal, Some(NO_DRY_RUN));
    assert_eq!(install("i foo").dry_run_refusal, None);
    for line in [
        "i --workspaces -w a",
        "ci --workspace=a --workspaces",
        "exec --workspaces --include-workspace-root x",
        "init --workspaces x",
        "pack -ws github:a/b",
    ] {
        assert_eq!(install(line).refusal, Some(WORKSPACES), "{line}");
    }
    for line in [
        "i --workspaces", "i -w a -w b", "exec --workspaces x", "exec -w a -iwr x", "init -w a x",
        "publish --workspaces", "version patch --workspaces", "i --workspaces --no-workspaces -w a",
    ] {
        assert_eq!(install(line).refusal, None, "{line}");
    }
}

proptest! {
    #[test]
    fn no_command_line_panics(line in proptest::collection::vec("(--?)?[a-zA-Z=?-]{0,12}|.{0,6}", 0..8)) {
        let words: Vec<Cow<'_, str>> = line.iter().map(|word| Cow::from(word.as_str())).collect();
        drop((classify(&words), classify_npx(&words)));
    }

    #[test]
    fn every_abbreviation_and_camel_case_of_an_installing_word_installs(
        index in 0..INSTALLING.len(), length in 1_usize..24, camel in any::<bool>()
    ) {
        let (name, _) = INSTALLING[index];
        let word = &name[..length.min(name.len())];
        prop_assume!(!word.ends_with('-'));
        let typed = if camel {
            let mut parts = word.split('-');
            let first = parts.next().unwrap_or_default().to_owned();
            parts.fold(first, |typed, part| {
                let (head, tail) = part.split_at(1);
                typed + &head.to_uppercase() + tail
            })
        } else {
            word.to_owned()
        };
        prop_assert!(NPM_HARMLESS.contains(&word) || resolve(&typed) != Command::Harmless, "{typed}");
    }
}
