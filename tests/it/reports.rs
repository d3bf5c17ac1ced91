//! Reports, which people pass on: none tells the user's home directory or a credential.

use std::fs;

use scfw_world::NpmPackage;
use serde_json::{Value, json};

use crate::support::formats::{is_cyclonedx, is_sarif};
use crate::support::{Finished, Sandbox};

/// A project in the home directory, with lists whose sentences name a folder there.
fn at_home() -> Sandbox {
    let mut sandbox = Sandbox::new();
    let home = sandbox.path("").canonicalize().unwrap();
    sandbox.set("HOME", &home);
    sandbox.set("SCFW_ON_WARNING", "ALLOW");
    let list = |severity: &str, name: &str| {
        format!(
            "  - {{severity: {severity}, finding: 'as {}/notes says', packages: [{{ecosystem: npm, name: {name}}}]}}\n",
            home.display()
        )
    };
    let lists = ["findings:\n", &list("WARNING", "odd"), &list("CRITICAL", "unwanted")];
    fs::create_dir_all(sandbox.path("scfw/lists")).unwrap();
    fs::write(sandbox.path("scfw/lists/ours.yaml"), lists.concat()).unwrap();
    sandbox.world.add_npm(NpmPackage::new("odd", "1.0.0"));
    sandbox.world.add_npm(NpmPackage::new("unwanted", "1.0.0"));
    sandbox
}

/// Fails the test where `finished` shows the home directory, whatever it is written like, or not what stands for it.
#[track_caller]
fn is_redacted(sandbox: &Sandbox, finished: Finished) -> String {
    let shown = format!("{}{}", finished.stdout, finished.stderr);
    let name = sandbox.path("").canonicalize().unwrap();
    let name = name.file_name().unwrap().to_str().unwrap();
    assert!(!shown.contains(name), "{shown}");
    finished.stdout
}

#[test]
fn no_report_of_an_installation_tells_the_home_directory() {
    let sandbox = at_home();
    let installed = sandbox.hook(&["npm", "install", "odd"]).ended_with(0).says("  - as ~/notes says\n");
    is_redacted(&sandbox, installed);
    let screened = sandbox.hook(&["npm", "install", "unwanted"]).ended_with(77).says("  - as ~/notes says\n");
    is_redacted(&sandbox, screened);
    let mut asking = at_home();
    asking.unset("SCFW_ON_WARNING");
    let (_, shown) = asking.on_terminal(&["npm", "install", "odd"], "[y/N]", Some("n\n"));
    assert!(shown.contains("  - as ~/notes says"), "{shown}");
    let history = is_redacted(&sandbox, sandbox.scfw(&["history"]).ended_with(0));
    assert!(history.contains("    in ~/project\n"), "{history}");
    let history = is_redacted(&sandbox, sandbox.scfw(&["history", "--format", "json"]).ended_with(0));
    let history: Value = serde_json::from_str(&history).unwrap();
    assert_eq!(history[0]["directory"], "~/project");
    assert_eq!(history[0]["findings"][0]["finding"], "as ~/notes says");
}

#[test]
fn no_report_about_packages_tells_the_home_directory() {
    let sandbox = at_home();
    sandbox.write("my files/mine/package.json", r#"{"name": "mine", "version": "1.0.0"}"#);
    sandbox.bare("npm", &["install", "odd", "./my files/mine"]).ended_with(0);
    sandbox.write("node_modules/broken/package.json", "{");
    for format in ["text", "json"] {
        let checked = sandbox.scfw(&["check", "--format", format, "npm:odd@1.0.0"]).ended_with(1);
        assert!(is_redacted(&sandbox, checked).contains("as ~/notes says"), "{format}");
    }
    let audit = |format: &str| {
        let audited = sandbox.scfw(&["audit", "npm", "--format", format]).ended_with(1);
        is_redacted(&sandbox, audited)
    };
    assert!(audit("text").contains("  - as ~/notes says\n"));
    let list: Value = serde_json::from_str(&audit("json")).unwrap();
    let odd = list.as_array().unwrap().iter().find(|package| package["name"] == "odd").unwrap();
    assert_eq!(odd["locations"], json!(["~/project/node_modules/odd"]));
    let log: Value = serde_json::from_str(&audit("sarif")).unwrap();
    is_sarif(&log);
    let root = json!({"uri": "project/", "uriBaseId": "HOME"});
    assert_eq!(log["runs"][0]["originalUriBaseIds"]["ROOT"], root);
    is_cyclonedx(&serde_json::from_str(&audit("cyclonedx")).unwrap());
}
