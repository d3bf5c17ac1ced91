//! The store under fire: updates killed at any moment, disks that are full or read-only, and installs that go on while an
//! update runs.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use scfw_core::action::Action;
use scfw_core::package::{Ecosystem, Package, Target};
use scfw_core::store::{FeedName, NewRun, Purpose, RunQuery, Store, now};
use scfw_world::{Service, World};
use serde_json::json;

use crate::support::{Sandbox, binary};

/// Enough for several transactions, and not refused for what it has lost.
const ADVISORIES: usize = 900;

/// A world with an advisory about each of `ADVISORIES` packages called `<prefix>-<number>`.
fn world(prefix: &str) -> World {
    let world = World::start().unwrap();
    for number in 0..ADVISORIES {
        let name = format!("{prefix}-{number}");
        world.add_advisory(json!({"id": format!("MAL-{name}"), "summary": "Malicious",
            "affected": [{"package": {"ecosystem": "npm", "name": name}}]}));
    }
    world.list_in_datadog(Ecosystem::Npm, prefix, None);
    world
}

/// How many advisories the store has of those two worlds, looked up by package.
fn visible(store: &Store, prefixes: [&str; 2]) -> [usize; 2] {
    let snapshot = store.snapshot().unwrap();
    let feed =
        snapshot.feed(&FeedName::Osv(Ecosystem::Npm)).unwrap().expect("the feed is there from the beginning");
    prefixes.map(|prefix| {
        let names: Vec<String> = (0..ADVISORIES).map(|number| format!("{prefix}-{number}")).collect();
        snapshot.advisories(&feed, Ecosystem::Npm, names.iter().map(String::as_str)).unwrap().len()
    })
}

/// Numbers that need not be good, and can be had again from the seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn killed_at_random(times: usize) {
    let sandbox = Sandbox::new();
    let (old, new) = (world("old"), world("new"));
    let update = |world: &World| {
        let mut command = sandbox.command(binary("scfw"), &["update", "--from", &world.mirror_url()]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    let start = Instant::now();
    assert!(update(&old).status().unwrap().success());
    let whole = u64::try_from(start.elapsed().as_micros()).unwrap();
    let path = sandbox.path("scfw/store.db");
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    let mut dice = Dice(seed.into());
    let mut ended = [0; 2];
    for time in 0..times {
        let world = if time % 2 == 0 { &new } else { &old };
        let mut child = update(world).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(dice.below(whole * 5 / 4)));
        let was_killed = child.kill().is_ok();
        let status = child.wait().unwrap();
        ended[usize::from(status.success())] += 1;
        let connection = rusqlite::Connection::open(&path).unwrap();
        let integrity: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(integrity, "ok", "seed {seed}, time {time}");
        drop(connection);
        let found = visible(&Store::open(&path).unwrap(), ["old", "new"]);
        assert!(
            found == [ADVISORIES, 0] || found == [0, ADVISORIES],
            "seed {seed}, time {time}: {found:?} (killed: {was_killed})"
        );
    }
    assert!(ended[0] > 0, "not one of {times} was killed before its end");
    let finished = sandbox.scfw(&["update", "--from", &new.mirror_url()]).ended_with(0);
    assert_eq!(finished.stderr, "");
    let connection = rusqlite::Connection::open(&path).unwrap();
    for table in ["advisories", "affected"] {
        let rows: i64 =
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        // The world has one for PyPI, where there is nothing else.
        assert_eq!(
            usize::try_from(rows).unwrap(),
            ADVISORIES + 1,
            "{table}: nothing is left of what was killed"
        );
    }
}

#[test]
fn an_update_that_is_killed_at_any_moment_leaves_the_store_whole() {
    // Two at once, for there is time to wait in each.
    std::thread::scope(|scope| {
        for _half in 0..2 {
            scope.spawn(|| killed_at_random(50));
        }
    });
}

#[test]
fn interrupted_it_says_so_and_leaves_the_old_state() {
    let sandbox = Sandbox::new();
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox.scfw(&["update"]).ended_with(0);
    sandbox.world.fail(Service::Bulk, Some(scfw_world::Failure::Hang));
    let mut command = sandbox.command(binary("scfw"), &["update"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while !sandbox.world.requests().iter().any(|request| {
        request.service == Service::Bulk
            && request.path.contains("modified_id")
            && request.header("if-none-match").is_some()
    }) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let process = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the store is as it was"));
    sandbox.scfw(&["check", "npm:evil"]).ended_with(77);
}

#[test]
fn installs_go_on_while_an_update_runs() {
    let sandbox = Sandbox::new();
    let (old, new) = (world("old"), world("new"));
    for world in [&old, &new] {
        world.malicious(Ecosystem::Npm, "evil", None);
        world.add_advisory(
            json!({"id": "MAL-both", "affected": [{"package": {"ecosystem": "npm", "name": "evil"}}]}),
        );
    }
    sandbox.scfw(&["update", "--from", &old.mirror_url()]).ended_with(0);
    let path = sandbox.path("scfw/store.db");
    let is_done = AtomicBool::new(false);
    let document = |name: &str| {
        json!({"protocol": 1, "manager": "npm", "version": "11.0.0", "phase": "install", "argv": ["install"],
            "targets": [{"name": name, "version": "1.0.0", "source": "registry", "published": "2020-01-01T00:00:00Z"}]})
        .to_string()
    };
    let (verified, recorded) = std::thread::scope(|scope| {
        let verifying: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while !is_done.load(Ordering::Relaxed) || count == 0 {
                        let evil = sandbox.hook_with_input(&["verify"], document("evil").as_bytes());
                        evil.ended_with(77).says("MAL-both").does_not_say("scfw:");
                        let good = sandbox.hook_with_input(&["verify"], document("good").as_bytes());
                        assert_eq!(good.ended_with(0).stderr, "");
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        let recording = scope.spawn(|| {
            let mut count = 0;
            while !is_done.load(Ordering::Relaxed) || count == 0 {
                let target = Target::registry(Package::new(Ecosystem::Npm, "good", Some("1.0.0")));
                let run = NewRun {
                    id: NewRun::new_id(),
                    time: now(),
                    action: Action::Allow,
                    purpose: Purpose::Install,
                    manager: "npm".to_owned(),
                    program: "npm".to_owned(),
                    arguments: vec!["install".to_owned()],
                    directory: "/".to_owned(),
                    executable: String::new(),
                    record: "{}".to_owned(),
                };
                Store::open(&path).unwrap().record(&run, &[&target], &[]).unwrap();
                count += 1;
            }
            count
        });
        for world in [&new, &old, &new] {
            sandbox.scfw(&["update", "--from", &world.mirror_url()]).ended_with(0);
        }
        is_done.store(true, Ordering::Relaxed);
        (verifying.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>(), recording.join().unwrap())
    });
    assert!(verified >= 6 && recorded > 0);
    let store = Store::open(&path).unwrap();
    assert_eq!(
        store.runs(&RunQuery::default()).unwrap().iter().filter(|run| run.run.record == "{}").count(),
        recorded
    );
    assert_eq!(visible(&store, ["old", "new"]), [0, ADVISORIES]);
    let requests = sandbox.world.requests();
    assert!(requests.is_empty(), "everything was known: {requests:?}");
}

/// Runs a shell script whose `$SCFW_HOME` is a file system of its own of `size` bytes, in which it may mount. Gives what it
/// printed. Where this machine does not let us mount anything the test fails: it cannot show what it is to show.
fn on_a_small_disk(sandbox: &Sandbox, size: usize, script: &str) -> String {
    let script = format!(
        "mount -t tmpfs -o size={size},mode=700 scfw-test \"$SCFW_HOME\" || exit 99\n\
         scfw() {{ '{}' \"$@\" 2>&1; echo \"status $?\"; }}\n{script}",
        binary("scfw").display()
    );
    let flags = if nix::unistd::getuid().is_root() { "-m" } else { "-Urm" };
    let mut command = sandbox.command("unshare", &[flags, "sh", "-c", &script]);
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "a mount namespace is needed for this test: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_full_disk_is_named_and_the_store_stays_as_it_was() {
    let sandbox = Sandbox::new();
    let small = World::start().unwrap();
    small.malicious(Ecosystem::Npm, "evil", None);
    let large = world("large");
    for number in 0..ADVISORIES {
        large.add_advisory(json!({"id": format!("GHSA-{number}"), "summary": "x".repeat(480), "affected": [
            {"package": {"ecosystem": "npm", "name": format!("large-{number}")}}]}));
    }
    let script = format!(
        "scfw update --from {small}\n\
         echo first; scfw update --from {large} --force\n\
         echo second; scfw check npm:evil\n\
         cat /dev/zero > \"$SCFW_HOME/fill\" 2>/dev/null\n\
         echo third; scfw check npm:evil\n\
         echo fourth; scfw update --from {large} --force\n\
         rm \"$SCFW_HOME/fill\"\n\
         echo fifth; scfw check npm:evil\n\
         echo sixth; scfw update --from {small}\n",
        small = small.mirror_url(),
        large = large.mirror_url()
    );
    let mut sandbox = sandbox;
    sandbox.set("SCFW_OFFLINE", "0");
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    let said = on_a_small_disk(&sandbox, 700 * 1024, &script);
    let part = |from: &str, to: &str| {
        let start = said.find(&format!("{from}\n")).unwrap_or_else(|| panic!("{said}"));
        let end = said.find(&format!("{to}\n")).unwrap_or(said.len());
        said[start..end].to_owned()
    };
    for full in [part("first", "second"), part("fourth", "fifth")] {
        assert!(full.contains("status 1\n") && full.contains("full"), "{said}");
    }
    for known in [part("second", "third"), part("fifth", "sixth")] {
        assert!(known.contains("status 77\n") && known.contains("MAL-0000-1"), "{said}");
    }
    // Without room for the shared memory the store may be of no use, and then the network is asked.
    assert!(part("third", "fourth").contains("status 77\n"), "{said}");
    assert!(part("sixth", "end").contains("status 0\n"), "{said}");
}

#[test]
fn a_read_only_disk_is_read_and_not_written() {
    let sandbox = Sandbox::new();
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    let script = "scfw update\n\
         mount -o remount,ro \"$SCFW_HOME\" || exit 98\n\
         echo first; scfw check npm:evil; SCFW_OFFLINE=1 scfw check npm:good\n\
         echo second; scfw update\n";
    let said = on_a_small_disk(&sandbox, 4 * 1024 * 1024, script);
    let (first, second) = said.split_once("second\n").unwrap();
    let first = first.split_once("first\n").unwrap().1;
    assert!(first.contains("MAL-0000-1") && first.contains("status 77"), "{said}");
    assert!(first.ends_with("No findings.\nstatus 0\n"), "{said}");
    assert!(second.contains("status 1") && second.to_lowercase().contains("read-only"), "{said}");
    let queries =
        sandbox.world.requests().into_iter().filter(|request| request.service == Service::Osv).count();
    assert_eq!(queries, 0, "what can be read needs no network");
}

#[test]
fn a_store_that_nobody_may_read_is_named() {
    // Root may read everything, so this one becomes nobody.
    let sandbox = Sandbox::new();
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox.scfw(&["update"]).ended_with(0);
    if !nix::unistd::getuid().is_root() {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(sandbox.path("scfw/store.db"), fs::Permissions::from_mode(0o000)).unwrap();
        sandbox.scfw(&["check", "npm:evil"]).ended_with(77).says("cannot be");
        return;
    }
    let mut command: Command = sandbox.command(binary("scfw"), &["check", "npm:evil"]);
    make_visible(&sandbox);
    let output = command.uid(65534).output().unwrap();
    let (said, answer) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert_eq!(output.status.code(), Some(77), "{said}{answer}");
    assert!(said.contains("store.db"), "{said}");
}

/// Lets everybody see that the store is there; its file stays private.
fn make_visible(sandbox: &Sandbox) {
    use std::os::unix::fs::PermissionsExt;
    for directory in ["", "project", "scfw"] {
        fs::set_permissions(sandbox.path(directory), fs::Permissions::from_mode(0o755)).unwrap();
    }
}
