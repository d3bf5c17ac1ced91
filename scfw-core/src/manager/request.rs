//! The packages that a command line already names, by the language of the packages.

/// The packages that a pip command names, in its arguments and in the configuration behind them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PythonRequest {
    /// The positional arguments.
    pub requirements: Vec<String>,
    /// The values of `-r`/`--requirement`.
    pub requirement_files: Vec<String>,
    /// The values of `-c`/`--constraint`.
    pub constraint_files: Vec<String>,
}

/// The packages that an npm command names, in its arguments and in the configuration behind them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of npm's, independent of the others")]
pub struct NodeRequest {
    /// The positional package specs; without any, the command is about the project itself.
    pub specs: Vec<String>,
    /// `npm ci` and its aliases: exactly the lockfile is installed, and specs are ignored.
    pub clean: bool,
    /// `--global`.
    pub global: bool,
    /// `--prefix`, which stands in for looking for the project.
    pub prefix: Option<String>,
    /// `npm exec` and `npx`: the specs are packages to fetch if they are not there already, and there is no install
    /// of the project.
    pub executes: bool,
    /// `--workspace`, `--workspaces` or `--no-workspaces`: a part of the project is installed.
    pub partial: bool,
    /// `--no-package-lock`: the lockfile is not consulted, except by `npm ci`.
    pub lock_ignored: bool,
}
