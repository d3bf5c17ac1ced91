//! Whether a call runs pip or npm, by the file's name and the arguments: the rules are those of scfw-core's
//! `invocation`, which scfw-hook then applies in full. Nothing here knows pointers, so that a test can compare
//! the two.

/// The words of a command line, `argv[0]` first.
pub(crate) trait Words {
    /// The word at `index`; none behind the last.
    fn get(&self, index: usize) -> Option<&[u8]>;
}

/// Where in the words the program stands that is to be followed: 0 for the file itself, more where a loader or
/// node runs it. None for what is none of ours, and for what only prints its version or its help.
pub(crate) fn recognise<W: Words>(file: &[u8], words: &W) -> Option<usize> {
    recognise_at(base_name(file), words, 0)
}

fn recognise_at<W: Words>(name: &[u8], words: &W, index: usize) -> Option<usize> {
    // Almost every call ends here.
    let [b'l' | b'n' | b'p', ..] = name else { return None };
    let follow = match name {
        b"npm" | b"npm-cli.js" | b"npm-cli" => !prints_only(words, index + 1),
        // Alone, and with an option that it does not know, it starts a shell, with the packages that its configuration
        // names.
        b"npx" | b"npx-cli.js" | b"npx-cli" => {
            matches!(words.get(index + 1), None | Some(b"-V")) || !prints_only(words, index + 1)
        }
        b"node" | b"nodejs" => {
            let script = node_script(words, index + 1)?;
            return recognise_at(script_name(words.get(script)?), words, script);
        }
        _ if is_loader(name) && index == 0 => {
            let program = loaded_program(words)?;
            return recognise_at(base_name(words.get(program)?), words, program);
        }
        _ if is_pip(name) => !prints_only(words, index + 1),
        _ if is_versioned(name, b"python") || is_versioned(name, b"pypy") => {
            python_runs_pip(words, index + 1)
        }
        _ => false,
    };
    follow.then_some(index)
}

/// Whether the words from `index` on ask for nothing but a version or help.
fn prints_only<W: Words>(words: &W, index: usize) -> bool {
    match words.get(index) {
        None => true,
        Some(b"--version" | b"-V" | b"--help" | b"-h") => words.get(index + 1).is_none(),
        Some(_) => false,
    }
}

fn is_pip(name: &[u8]) -> bool {
    is_versioned(name, b"pip") || is_pip_archive(name)
}

/// `pip.pyz`, `pip-26.3.pyz`, and not `pipx.pyz`.
fn is_pip_archive(name: &[u8]) -> bool {
    let rest = name.strip_prefix(b"pip").and_then(|rest| rest.strip_suffix(b".pyz"));
    rest.is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_alphabetic))
}

/// `name` is `stem` with nothing or a version behind it: `3`, `3.12`, `3.13t`.
fn is_versioned(name: &[u8], stem: &[u8]) -> bool {
    let Some(suffix) = name.strip_prefix(stem) else { return false };
    let digits = suffix.strip_suffix(b"t").unwrap_or(suffix);
    match digits {
        [] => suffix.is_empty(),
        [first, ..] => {
            first.is_ascii_digit()
                && digits.last() != Some(&b'.')
                && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        }
    }
}

/// `python … -m pip`, a module that runs another, or pip's own script behind the interpreter's options.
fn python_runs_pip<W: Words>(words: &W, start: usize) -> bool {
    let mut index = start;
    while let Some(word) = words.get(index) {
        let cluster = match word {
            [b'-', cluster @ ..] if !cluster.is_empty() => cluster,
            script => return is_pip_script(script) && !prints_only(words, index + 1),
        };
        match cluster {
            b"-" => {
                let script = words.get(index + 1).unwrap_or_default();
                return is_pip_script(script) && !prints_only(words, index + 2);
            }
            b"-check-hash-based-pycs" => index += 2,
            [b'-', long @ ..] if long.starts_with(b"check-hash-based-pycs=") => index += 1,
            // Help, the version, or an option that Python does not know.
            [b'-', ..] => return false,
            _ => match read_cluster(cluster) {
                Cluster::Flags => index += 1,
                Cluster::TakesNext => index += 2,
                Cluster::Prints => return false,
                Cluster::Module([]) => {
                    return runs_module(words.get(index + 1).unwrap_or_default(), words, index + 2);
                }
                Cluster::Module(module) => return runs_module(module, words, index + 1),
            },
        }
    }
    false
}

/// What a cluster of short options of Python's means.
enum Cluster<'a> {
    Flags,
    /// The next word is the last flag's value.
    TakesNext,
    /// `-V`, `-h`, or code to run.
    Prints,
    /// `-m`, with what stands behind it in the same word.
    Module(&'a [u8]),
}

fn read_cluster(cluster: &[u8]) -> Cluster<'_> {
    let mut rest = cluster;
    while let [flag, attached @ ..] = rest {
        match flag {
            b'V' | b'h' | b'?' | b'c' => return Cluster::Prints,
            b'W' | b'X' if attached.is_empty() => return Cluster::TakesNext,
            b'W' | b'X' => return Cluster::Flags,
            b'm' => return Cluster::Module(attached),
            _ => rest = attached,
        }
    }
    Cluster::Flags
}

fn runs_module<W: Words>(module: &[u8], words: &W, arguments: usize) -> bool {
    if is_pip_module(module) {
        return !prints_only(words, arguments);
    }
    // Where the options of these end is theirs to know, so any mention of pip counts.
    let runs_another = matches!(
        module,
        b"runpy" | b"cProfile" | b"profile" | b"pdb" | b"trace" | b"timeit" | b"coverage" | b"debugpy"
    );
    let mut index = arguments;
    while let Some(word) = words.get(index).filter(|_| runs_another) {
        if is_pip_module(word) {
            return true;
        }
        index += 1;
    }
    false
}

fn is_pip_module(module: &[u8]) -> bool {
    module == b"pip" || module.starts_with(b"pip.")
}

fn is_pip_script(script: &[u8]) -> bool {
    match base_name(script) {
        b"__pip-runner__.py" => true,
        name @ b"__main__.py" => {
            let folder = script.get(..script.len() - name.len()).unwrap_or_default();
            base_name(folder) == b"pip"
        }
        name => is_pip(name),
    }
}

/// Where node's script stands. Which of its options take the next word changes with every version, so a word
/// behind an option counts as its value only if it is no script of ours.
fn node_script<W: Words>(words: &W, start: usize) -> Option<usize> {
    let mut index = start;
    let mut may_be_value = false;
    while let Some(word) = words.get(index) {
        let is_option = matches!(word, [b'-', _, ..]) && word != b"--";
        if !is_option && word != b"--" {
            let is_ours = matches!(
                script_name(word),
                b"npm" | b"npx" | b"npm-cli.js" | b"npx-cli.js" | b"npm-cli" | b"npx-cli"
            );
            if is_ours || !may_be_value {
                return is_ours.then_some(index);
            }
        }
        may_be_value = is_option && !word.contains(&b'=');
        index += 1;
    }
    None
}

/// The last component of the path of node's script; npm itself for the file that its folder stands for.
fn script_name(script: &[u8]) -> &[u8] {
    let name = base_name(script);
    let folder = || script.get(..script.len() - name.len()).unwrap_or_default();
    if matches!(name, b"index.js" | b"index") && base_name(folder()) == b"npm" { b"npm" } else { name }
}

/// `ld-linux-x86-64.so.2`, `ld-musl-aarch64.so.1`, `ld.so`: the loader, run as a program.
fn is_loader(name: &[u8]) -> bool {
    let stem = name.strip_prefix(b"ld64").or_else(|| name.strip_prefix(b"ld"));
    let is_named = stem.is_some_and(|stem| matches!(stem.first(), Some(b'-' | b'.')));
    is_named && name.windows(3).any(|window| window == b".so")
}

/// Where the program stands that a loader was given, behind its options. Those of musl may have a value in the next word, as
/// the GNU ones do.
fn loaded_program<W: Words>(words: &W) -> Option<usize> {
    let mut index = 1;
    loop {
        match words.get(index)? {
            b"--" => return Some(index + 1),
            b"--library-path"
            | b"--preload"
            | b"--audit"
            | b"--argv0"
            | b"--inhibit-rpath"
            | b"--glibc-hwcaps-prepend"
            | b"--glibc-hwcaps-mask" => index += 2,
            [b'-', b'-', ..] => index += 1,
            _ => return Some(index),
        }
    }
}

/// The last component of a path, without slashes at its end.
fn base_name(path: &[u8]) -> &[u8] {
    let mut path = path;
    loop {
        path = match path {
            [rest @ .., b'/'] | [rest @ .., b'/', b'.'] => rest,
            _ => break,
        };
    }
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => path.get(slash + 1..).unwrap_or_default(),
        None => path,
    }
}
