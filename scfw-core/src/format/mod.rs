//! The formats of files that projects hold: `package.json`, package specs and workspaces of npm, requirements and
//! requirements files of pip. They tell a file's content, and not what follows from it; lockfiles are in
//! [`crate::lockfile`].

pub(crate) mod lenient;
pub(crate) mod npm_spec;
pub(crate) mod package_json;
pub(crate) mod requirement;
pub(crate) mod requirements_file;
pub(crate) mod workspaces;
