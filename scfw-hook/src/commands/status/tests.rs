//! What `scfw status` finds on a machine.

use super::*;
use crate::process::made::Machine;

/// What is found out in a shell, unless there is none, that would run `routes`.
fn report_in(process: &Process, shell: Option<Shell>, routes: &[&str]) -> Report {
    let routes = routes.iter().map(OsString::from).collect();
    report(process, &Options { json: false, shell, routes })
}

/// The route of `name`: by what it goes through scfw, or why it does not.
fn route_of<'a>(report: &'a Report, name: &str) -> Result<&'static str, &'a str> {
    let route = report.routes.iter().find(|route| route.name == name).unwrap();
    assert_eq!(route.routed, route.by.is_some());
    route.by.ok_or(route.reason.as_deref().unwrap_or("not installed"))
}

#[test]
fn a_name_goes_through_what_the_shell_runs_for_it() {
    let machine = Machine::new();
    for name in ["bin/pip", "bin/npm", "bin/npx"] {
        machine.program(name);
    }
    let (process, _) = machine.process(&[], "");
    let routes = ["pip=ours", "npm=alias:npx", "npx=ours", "pip3=ours"];
    let report = report_in(&process, Some(Shell::Bash), &routes);
    assert_eq!((route_of(&report, "pip"), route_of(&report, "npm")), (Ok("function"), Ok("alias")));
    assert!(report.routed && report.loaded, "{report:?}");
    let report = report_in(&process, Some(Shell::Bash), &["pip=alias:uv", "npm=function", "npx=ours"]);
    assert!(route_of(&report, "pip").unwrap_err().contains("unalias pip"));
    assert!(route_of(&report, "npm").unwrap_err().contains("another function"));
    assert!(!report.routed);
}

#[test]
fn without_the_integration_the_line_that_loads_it_is_named() {
    let machine = Machine::new();
    machine.program("bin/pip");
    let (process, _) = machine.process(&[("SHELL", "/usr/bin/zsh")], "");
    let report = report_in(&process, None, &[]);
    let reason = route_of(&report, "pip").unwrap_err();
    assert!(reason.contains("not loaded") && reason.contains("init zsh"), "{reason}");
    assert!(!report.routed && !report.loaded);
    assert_eq!(route_of(&report, "npm"), Err("not installed"));
}

#[test]
fn a_shim_first_on_path_is_a_route_and_one_behind_a_manager_is_told() {
    let machine = Machine::new();
    machine.program("bin/pip");
    let (process, made) = machine.process(&[], "");
    let (shims, bin) = (machine.home().join("shims"), machine.home().with_file_name("bin"));
    crate::shells::shims::install(&process, &machine.home()).unwrap();
    for (order, by, behind) in
        [([&shims, &bin], Ok("shim"), None), ([&bin, &shims], Err(()), Some(bin.clone()))]
    {
        made.variables().insert("PATH".into(), std::env::join_paths(order).unwrap());
        let report = report_in(&process, None, &[]);
        assert_eq!(route_of(&report, "pip").map_err(drop), by);
        assert_eq!((report.shims.on_path, report.shims.behind), (true, behind));
    }
}

#[test]
fn nothing_is_routed_to_a_hook_that_is_gone() {
    let machine = Machine::new();
    machine.program("bin/pip");
    let (process, made) = machine.process(&[], "");
    std::fs::remove_file(&made.own_file).unwrap();
    let report = report_in(&process, Some(Shell::Fish), &["pip=ours"]);
    assert!(route_of(&report, "pip").unwrap_err().contains("scfw-hook is gone"));
}

#[test]
fn a_manager_that_is_not_chosen_is_no_route() {
    let machine = Machine::new();
    machine.program("bin/pip");
    machine.write("scfw/config.toml", "managers = [\"npm\"]\n");
    let (process, _) = machine.process(&[], "");
    let report = report_in(&process, None, &[]);
    assert!(report.routed && report.routes.iter().all(|route| route.name != "pip"));
    assert_eq!(report.uncovered.len(), 1);
}

#[test]
fn an_alias_counts_by_where_it_leads() {
    let kinds: BTreeMap<String, Kind> = [
        ("pip3", "ours"),
        ("pip", "alias:pip3 --quiet"),
        ("python", "alias:alias python=pip"),
        ("npm", "alias:pnpm"),
        ("npx", "alias:npm"),
        ("python3", "alias:command python3"),
    ]
    .into_iter()
    .map(|(name, kind)| (name.to_owned(), Kind::parse(kind)))
    .collect();
    for (name, leads) in
        [("pip3", true), ("pip", true), ("python", true), ("npm", false), ("npx", false), ("python3", false)]
    {
        assert_eq!(leads_to_ours(name, &kinds), leads, "{name}");
    }
}
