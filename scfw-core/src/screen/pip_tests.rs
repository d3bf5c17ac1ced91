//! The targets that [`super::pip`] finds in arguments and files.

use std::fs;
use std::path::Path;

use super::{PythonRequest, Screened, python};

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn screen(folder: &Path, requirements: &[&str], files: &[&str], constraints: &[&str]) -> Screened {
    let request = PythonRequest {
        requirements: strings(requirements),
        requirement_files: strings(files),
        constraint_files: strings(constraints),
    };
    python(&request, folder, &|name| (name == "NAME").then(|| "from-environment".to_owned()))
}

fn packages(screened: &Screened) -> Vec<String> {
    screened.targets.iter().map(|target| target.package.to_string()).collect()
}

/// The packages of one requirements file that can be read without complaint.
fn file(content: impl AsRef<[u8]>) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("r.txt"), content).unwrap();
    let screened = screen(folder.path(), &[], &["r.txt"], &[]);
    assert_eq!(screened.skipped, []);
    packages(&screened)
}

#[test]
fn arguments_come_before_files_and_each_package_once() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("r.txt"), "b\na\nC_c==1.0\n").unwrap();
    let arguments = ["a", "c-c==1.0", "./local", "https://host.example/x.whl", "d; sys_platform == 'win32'"];
    let screened = screen(folder.path(), &arguments, &["r.txt"], &[]);
    assert_eq!(packages(&screened), ["a", "c-c-1.0", "b"]);
    assert_eq!(screened.skipped, []);
    assert_eq!(screen(folder.path(), &[], &[], &[]), Screened::default());
}

#[test]
fn a_file_in_the_documented_format() {
    let content = "\u{feff}# -*- coding: utf-8 -*-\r\n--index-url https://host.example/simple\r\n\
        a==1.0 \\\r\n    --hash=sha256:00 \\\r\n    --hash=sha256:11 # why\r\n-e ./local\r\n${NAME}\r\n\
        b[extra] >= 2 ; python_version >= '3'\r\nc @ https://host.example/c.whl\r\n./d.whl\r\ne~=1.0 --global-option=x";
    assert_eq!(file(content), ["a-1.0", "from-environment", "e"]);
}

#[test]
fn byte_order_marks_and_bad_encodings() {
    let utf16 = |unit: fn(u16) -> [u8; 2]| "\u{feff}a\nb".encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let utf32 = |unit: fn(u32) -> [u8; 4]| {
        "\u{feff}a\nb".chars().flat_map(|character| unit(u32::from(character))).collect::<Vec<u8>>()
    };
    for content in [
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
        utf32(u32::to_le_bytes),
        utf32(u32::to_be_bytes),
        b"# \xff\na # \xc3(\nb".to_vec(),
    ] {
        assert_eq!(file(&content), ["a", "b"], "{content:?}");
    }
    assert_eq!(file(b"\xff\xfea"), Vec::<String>::new());
}

#[test]
fn includes_are_relative_to_the_file_they_stand_in() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    write(
        "r.txt",
        "-r sub/a.txt\n-r https://host.example/r.txt\n--constraint=sub/c.txt\n-r ${NAME}.txt\nlast",
    );
    write("sub/a.txt", "-rb.txt\nfrom-a");
    write("sub/b.txt", "from-b");
    write("from-environment.txt", "named");
    write("sub/c.txt", "from-b==1.0\nunused==2.0\nlast!=3\n-r d.txt");
    write("sub/d.txt", "installed-after-all");
    let screened = screen(folder.path(), &[], &["r.txt"], &[]);
    assert_eq!(packages(&screened), ["from-b-1.0", "from-a", "installed-after-all", "named", "last"]);
    assert_eq!(screened.skipped, []);
}

#[test]
fn constraints_narrow_and_add_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("c.txt"),
        "A.a==1\nb==1\nc==1\nc==2\nd==1; sys_platform == 'x'\ne>=1\nf==1.*\ng==1",
    )
    .unwrap();
    let arguments = ["a_a>=0.5", "b==2", "c", "d", "e", "f"];
    let screened = screen(folder.path(), &arguments, &[], &["c.txt"]);
    assert_eq!(packages(&screened), ["a_a-1", "b-2", "c", "d", "e", "f"]);
    let both = screen(folder.path(), &["g", "g==1"], &[], &[]);
    assert_eq!(packages(&both), ["g-1"]);
}

#[test]
fn files_that_include_themselves_are_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("self.txt", "-r self.txt\na");
    write("x.txt", "-r y.txt\nx");
    write("y.txt", "-r link.txt\ny");
    std::os::unix::fs::symlink("x.txt", folder.path().join("link.txt")).unwrap();
    std::os::unix::fs::symlink(".", folder.path().join("loop")).unwrap();
    write("z.txt", "-r loop/z.txt\nz");
    for (name, expected) in [("self.txt", vec!["a"]), ("x.txt", vec!["y", "x"]), ("z.txt", vec!["z"])] {
        let screened = screen(folder.path(), &[], &[name], &[]);
        assert_eq!(packages(&screened), expected);
        assert_eq!(screened.skipped.len(), 1);
        assert_eq!(screened.skipped[0].why, "includes itself");
    }
    // Twice is not a circle, and as constraints it is another reading.
    let screened = screen(folder.path(), &[], &["self.txt", "./self.txt"], &["self.txt"]);
    assert_eq!(packages(&screened), ["a"]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    nix::unistd::mkfifo(&folder.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::write(folder.path().join("r.txt"), "ok\n\nname-==1\n--unknown\n-r missing.txt\n").unwrap();
    let screened = screen(folder.path(), &["-x"], &["r.txt", "pipe", "/dev/tty", "\0"], &["."]);
    assert_eq!(packages(&screened), ["ok"]);
    let place = |line: usize| format!("{}, line {line}", folder.path().join("r.txt").display());
    let what: Vec<_> = screened.skipped.iter().map(|skipped| skipped.what.as_str()).collect();
    assert_eq!(what[..3], ["-x", &place(3), &place(4)]);
    assert!(screened.skipped[3].why.contains("No such file"));
    // A pipe or a terminal is for pip to read.
    assert!(screened.skipped[4].why.contains("cannot be read"));
    assert_eq!((what.len(), what[5]), (6, folder.path().join(".").to_str().unwrap()));
    assert!(screened.skipped[5].why.contains("not a regular file"));
}

#[test]
fn limits() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    for index in 0..70 {
        write(&format!("deep{index}.txt"), &format!("-r deep{}.txt\np{index}", index + 1));
    }
    let screened = screen(folder.path(), &[], &["deep0.txt"], &[]);
    assert_eq!(screened.targets.len(), 64);
    assert_eq!(screened.skipped.len(), 1);

    write("many.txt", &"-r missing.txt\n".repeat(2_000));
    let screened = screen(folder.path(), &[], &["many.txt"], &[]);
    assert_eq!(screened.skipped.len(), 11);

    write("large.txt", &"a\n".repeat(6 << 20));
    let screened = screen(folder.path(), &["b"], &["large.txt"], &[]);
    assert_eq!(packages(&screened), ["b"]);
    assert_eq!(screened.skipped[0].why, "is longer than 10 MiB");

    let numbered: String =
        (0..50_010).fold(String::new(), |text, index| text + "p" + &index.to_string() + "\n");
    write("numbered.txt", &numbered);
    let screened = screen(folder.path(), &[], &["numbered.txt"], &[]);
    assert_eq!(screened.targets.len(), 50_000);
    assert_eq!(screened.skipped.len(), 10);
}
