//! Folders of the user's own are nobody's package: they are not looked up, not blocked and not named to anyone.

use std::fs;

use scfw_core::package::Ecosystem;
use scfw_world::{NpmPackage, Request, Service};
use serde_json::json;

use crate::support::Sandbox;

for_each_npm! {
    a_folder_that_is_a_dependency_is_the_users_own => dependency;
    npx_runs_what_the_project_itself_brings => npx;
}

/// Fails the test if a feed or, by scfw, a registry was asked about a name that begins with `our-`. npm's own audit
/// names the folders of a project.
#[track_caller]
fn nobody_was_told(sandbox: &Sandbox) {
    let by_scfw = |request: &Request| {
        matches!(request.service, Service::Osv | Service::Datadog)
            || request.header("user-agent").is_some_and(|agent| agent.starts_with("scfw/"))
    };
    let requests = sandbox.world.requests();
    let told: Vec<_> =
        requests.iter().filter(|request| by_scfw(request) && request.mentions("our-")).collect();
    assert!(told.is_empty(), "{told:?}");
}

fn dependency(version: &str) {
    let sandbox = Sandbox::with_npm(version);
    sandbox.world.add_npm(NpmPackage::new("good", "1.0.0"));
    // A public package of the same name is no business of the folder's.
    sandbox.world.malicious(Ecosystem::Npm, "our-lib", None);
    let canary = sandbox.path("ours");
    let script = format!("node -e \"require('fs').appendFileSync('{}', 'ran')\"", canary.display());
    sandbox.write(
        "lib/package.json",
        json!({"name": "our-lib", "version": "1.0.0", "dependencies": {"good": "*"},
            "bin": {"our-lib": "bin.js"}, "scripts": {"install": script}})
        .to_string(),
    );
    sandbox.write("lib/bin.js", "#!/usr/bin/env node\n");
    sandbox
        .write("packages/a/package.json", json!({"name": "our-workspace", "version": "1.0.0"}).to_string());
    sandbox.write(
        "package.json",
        json!({"name": "our-project", "version": "1.0.0", "workspaces": ["packages/*"],
            "dependencies": {"our-lib": "file:./lib"}})
        .to_string(),
    );
    for arguments in
        [&["install"][..], &["install"], &["ci"], &["rebuild"], &["dedupe"], &["update"], &["link", "./lib"]]
    {
        let all: Vec<&str> = ["npm"].iter().chain(arguments).copied().collect();
        sandbox.hook(&all).ended_with(0).does_not_say("scfw");
        assert!(sandbox.list("node_modules").contains(&"our-lib".to_owned()), "{arguments:?}");
        nobody_was_told(&sandbox);
    }
    assert!(canary.exists(), "scripts of one's own run");
    // Earlier npms know no such strategy, or fail at a folder with it.
    if ["11.19.1", "12.2.2"].contains(&version) {
        fs::remove_dir_all(sandbox.project("node_modules")).unwrap();
        for arguments in [&["npm", "install"][..], &["npm", "ci"], &["npm", "rebuild"]] {
            let linked = [arguments, &["--install-strategy=linked"]].concat();
            sandbox.hook(&linked).ended_with(0).does_not_say("scfw");
            nobody_was_told(&sandbox);
        }
    }
}

fn npx(version: &str) {
    let sandbox = Sandbox::with_npm(version);
    sandbox.world.malicious(Ecosystem::Npm, "our-tool", None);
    sandbox.world.malicious(Ecosystem::Npm, "our-other", None);
    sandbox.world.malicious(Ecosystem::Npm, "our-global", None);
    let bin = "#!/usr/bin/env node\nconsole.log('of our own')\n";
    for (folder, name) in
        [("project", "our-tool"), ("project/packages/a", "our-other"), ("global", "our-global")]
    {
        let manifest = json!({"name": name, "version": "1.0.0", "bin": {name: "bin.js"},
            "workspaces": if folder == "project" { json!(["packages/*"]) } else { json!([]) }});
        fs::create_dir_all(sandbox.path(folder)).unwrap();
        fs::write(sandbox.path(folder).join("package.json"), manifest.to_string()).unwrap();
        fs::write(sandbox.path(folder).join("bin.js"), bin).unwrap();
    }
    let global = sandbox.path("global");
    sandbox.bare("npm", &["install", "--global", global.to_str().unwrap()]).ended_with(0);
    sandbox.bare("npm", &["install"]).ended_with(0);
    sandbox.world.forget_requests();
    for arguments in [
        &["npx", "our-tool"][..],
        &["npx", "our-other"],
        &["npx", "--workspace", "our-other", "our-other"],
        &["npx", "./packages/a"],
        &["npx", "our-global"],
        &["npx", "--no", "our-tool"],
        &["npm", "exec", "--", "our-tool"],
    ] {
        let bare = sandbox.bare(arguments[0], &arguments[1..]);
        sandbox.world.forget_requests();
        let gated = sandbox.hook(arguments).does_not_say("scfw").does_not_say("malicious");
        assert_eq!((gated.status, &gated.stdout), (bare.status, &bare.stdout), "{arguments:?}: {gated:?}");
        if bare.status == 0 {
            nobody_was_told(&sandbox);
        }
    }
    // Nothing is fetched where npm may not ask, so nothing is known to be installed.
    let refused = sandbox.bare("npx", &["--no", "our-unknown"]);
    sandbox.world.malicious(Ecosystem::Npm, "our-unknown", None);
    let gated = sandbox.hook(&["npx", "--no", "our-unknown"]).does_not_say("malicious");
    assert_eq!(gated.status, refused.status, "{gated:?}");
}
