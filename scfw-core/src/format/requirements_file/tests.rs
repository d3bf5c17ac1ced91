//! Lines as pip reads them.

use super::*;

fn read(text: &str) -> Vec<(usize, Statement)> {
    let environment = |name: &str| match name {
        "NAME" => Some("world".to_owned()),
        "EMPTY" => Some(String::new()),
        "NESTED" => Some("${NAME}".to_owned()),
        "LARGE" => Some("x".repeat(100_000)),
        _ => None,
    };
    statements(text, &environment).collect()
}

fn requirement(text: &str) -> Statement {
    Statement::Requirement(text.to_owned())
}

#[test]
fn lines_comments_and_continuations() {
    let text = "# a comment\r\n\r\na # more\rb#egg\n  c \\\n >=1, \\\n <2\nd\\\n# e\nf\\";
    assert_eq!(
        read(text),
        [
            (3, requirement("a")),
            (4, requirement("b#egg")),
            (5, requirement("c  >=1,  <2")),
            (8, requirement("d")),
            (10, requirement("f")),
        ]
    );
    // A comment line ends a continuation, even if it ends in a backslash itself.
    assert_eq!(read("a \\\n  # b \\\nc"), [(1, requirement("a")), (3, requirement("c"))]);
    assert_eq!(
        read("a\u{2028}b\x0cc\u{85}d"),
        [(1, requirement("a")), (2, requirement("b")), (3, requirement("c")), (4, requirement("d"))]
    );
}

#[test]
fn environment_references() {
    for (line, expanded) in [
        ("hello-${NAME}", "hello-world"),
        ("${NAME}${NAME}", "worldworld"),
        ("${UNSET}-${EMPTY}-$NAME-${name}-${NAME", "${UNSET}-${EMPTY}-$NAME-${name}-${NAME"),
        ("${}${${NAME}}", "${}${world}"),
    ] {
        assert_eq!(read(line), [(1, requirement(expanded))], "{line}");
    }
    assert!(matches!(read("${NESTED}")[..], [(1, Statement::Invalid(_))]));
    assert!(matches!(read(&"${LARGE}".repeat(20))[..], [(1, Statement::Invalid(_))]));
}

#[test]
fn options() {
    for line in [
        "-r x", "-rx", "--requirement x", "--requirement=x", "--requirem x", "--pre -r x -c y",
        "-r 'x' -r y", "-c y --requirement \"x\"", "-r x stray",
    ] {
        assert_eq!(read(line), [(1, Statement::Requirements("x".to_owned()))], "{line}");
    }
    for line in ["-c a\\ b", "-c'a b'", "--constraint=\"a b\"", "--cons 'a b'"] {
        assert_eq!(read(line), [(1, Statement::Constraints("a b".to_owned()))], "{line}");
    }
    for line in [
        "--index-url https://host.example/simple",
        "-i https://host.example/simple --extra-index-url=https://host.example",
        "--find-links x",
        "--no-index",
        "--pre",
        "--trusted-host host.example",
        "--use-feature x",
        "--no-binary :all:",
        "--only-binary=:all:",
        "--prefer-binary",
        "--require-hashes",
        "-e .",
        "--editable=git+https://host.example/x",
        "-e . -r x",
        "-- -r x",
    ] {
        assert_eq!(read(line), [], "{line}");
    }
    for line in ["--unknown", "-x", "--re x", "--pre=1", "-r", "-r 'x", "--constraint"] {
        assert!(matches!(read(line)[..], [(1, Statement::Invalid(_))]), "{line}");
    }
}

#[test]
fn options_of_a_requirement_are_cut_off() {
    for line in [
        "a==1 --hash=sha256:00 \\\n    --hash=sha256:11",
        "a==1 --global-option='x y'",
        "a==1 --config-settings k=v",
        "a==1 -r other",
    ] {
        assert_eq!(read(line), [(1, requirement("a==1 "))], "{line}");
    }
}

#[test]
fn long_lines_are_reported_and_do_not_hide_the_next() {
    let long = format!("{}\na", "x".repeat(LINE_LENGTH + 1));
    let joined = format!("{}a", format!("{}\\\n", "x".repeat(1000)).repeat(2000));
    for (text, after) in [(long, Some(requirement("a"))), (joined, None)] {
        let found = read(&text);
        assert!(matches!(found[0], (1, Statement::Invalid(_))));
        assert_eq!(found.into_iter().nth(1).map(|(_, statement)| statement), after);
    }
}
