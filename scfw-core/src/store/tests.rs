use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::*;
use crate::action::Action;
use crate::advisory::Advisory;
use crate::package::{Ecosystem, Package, Source, Target};

const OSV: FeedName = FeedName::Osv(Ecosystem::Npm);

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("data/store.db")
    }

    fn store(&self) -> Store {
        Store::open(&self.path()).unwrap()
    }
}

fn advisory(id: &str, name: &str) -> NewAdvisory {
    let document = json!({"id": id, "summary": format!("about {name}"), "affected": [
        {"package": {"ecosystem": "npm", "name": name}, "ranges": [
            {"type": "SEMVER", "events": [{"introduced": "1.0.0"}, {"fixed": "2.0.0"}]}]}]});
    NewAdvisory::new(&Advisory::parse(document.to_string().as_bytes()).unwrap(), 7)
}

fn state() -> FeedState {
    FeedState { location: "here".to_owned(), etag: Some("\"1\"".to_owned()), newest: Some(7) }
}

fn bring_in(store: &mut Store, feed: &FeedName, advisories: &[NewAdvisory]) {
    let mut import = store.import(feed).unwrap();
    import.add(advisories).unwrap();
    import.finish(&state()).unwrap();
}

/// The ids that `feed` has about the npm package `name`.
fn ids(store: &Store, feed: &FeedName, name: &str) -> Vec<String> {
    let snapshot = store.snapshot().unwrap();
    let Some(feed) = snapshot.feed(feed).unwrap() else { return Vec::new() };
    let found = snapshot.advisories(&feed, Ecosystem::Npm, [name]).unwrap();
    let mut ids: Vec<String> = found.into_values().flatten().map(|advisory| advisory.id).collect();
    ids.sort();
    ids
}

fn rows(store: &Store, table: &str) -> i64 {
    store
        .run(|connection| {
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
        })
        .unwrap()
}

#[test]
fn a_new_store_is_private_and_there_once() {
    let place = Place::new();
    assert!(Store::open_existing(&place.path()).unwrap().is_none());
    std::thread::scope(|scope| {
        for _process in 0..16 {
            scope.spawn(|| place.store().check().unwrap());
        }
    });
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.path()), 0o600);
    assert_eq!(mode(place.path().parent().unwrap()), 0o700);
    let mut left: Vec<_> = fs::read_dir(place.path().parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .inspect(|path| assert_eq!(mode(path), 0o600))
        .map(|path| path.file_name().unwrap().to_owned())
        .collect();
    left.sort();
    assert_eq!(left, ["store.db", "store.db-shm", "store.db-wal"]);
}

#[test]
fn a_feed_is_there_once_it_is_finished_and_then_replaces_what_was() {
    let place = Place::new();
    let mut store = place.store();
    bring_in(&mut store, &OSV, &[advisory("A", "left"), advisory("B", "right")]);
    let reader = place.store();
    let mut import = store.import(&OSV).unwrap();
    import.add(&[advisory("C", "left")]).unwrap();
    assert_eq!(ids(&reader, &OSV, "left"), ["A"], "an import under way is not seen");
    let before = reader.snapshot().unwrap();
    let feed = before.feed(&OSV).unwrap().unwrap();
    import.finish(&state()).unwrap();
    let still = before.advisories(&feed, Ecosystem::Npm, ["left"]).unwrap();
    assert_eq!(still["left"][0].id, "A", "what is read together is of one moment");
    drop(before);
    assert_eq!(ids(&reader, &OSV, "left"), ["C"]);
    assert!(ids(&reader, &OSV, "right").is_empty());
    assert_eq!((rows(&reader, "advisories"), rows(&reader, "affected")), (1, 1), "what was replaced is gone");
}

#[test]
fn what_an_import_left_that_was_not_finished_goes_with_the_next() {
    let place = Place::new();
    let mut store = place.store();
    bring_in(&mut store, &OSV, &[advisory("A", "left")]);
    let many: Vec<_> = (0..1000).map(|number| advisory(&format!("X-{number}"), "left")).collect();
    store.import(&OSV).unwrap().add(&many).unwrap();
    assert_eq!(rows(&store, "advisories"), 1001);
    assert_eq!(ids(&store, &OSV, "left"), ["A"]);
    bring_in(&mut store, &FeedName::Osv(Ecosystem::PyPi), &[]);
    assert_eq!((rows(&store, "advisories"), rows(&store, "affected")), (1, 1));
    assert_eq!(ids(&store, &OSV, "left"), ["A"]);
}

#[test]
fn changes_are_applied_at_once_and_the_rest_stays() {
    let place = Place::new();
    let mut store = place.store();
    bring_in(&mut store, &OSV, &[advisory("A", "left"), advisory("B", "right"), advisory("C", "right")]);
    let changes = [
        Change::Put(advisory("A", "right")),
        Change::Remove("B".to_owned()),
        Change::Remove("unheard of".to_owned()),
        Change::Put(advisory("D", "left")),
    ];
    store.apply(&OSV, &changes, &FeedState { etag: None, ..state() }).unwrap();
    assert_eq!(ids(&store, &OSV, "left"), ["D"]);
    assert_eq!(ids(&store, &OSV, "right"), ["A", "C"]);
    assert_eq!(rows(&store, "affected"), 3);
    let snapshot = store.snapshot().unwrap();
    let feed = snapshot.feed(&OSV).unwrap().unwrap();
    assert_eq!((feed.etag.as_deref(), feed.location.as_str()), (None, "here"));
    assert_eq!(snapshot.count(&feed).unwrap(), 3);
    let times = snapshot.modification_times(&feed).unwrap();
    assert_eq!((times.len(), times["D"]), (3, 7));
    drop(snapshot);
    store.forget(&OSV).unwrap();
    assert_eq!(rows(&store, "advisories"), 0);
}

#[test]
fn an_advisory_that_says_nothing_leaves_its_name_only() {
    let place = Place::new();
    let mut store = place.store();
    let withdrawn = json!({"id": "W", "withdrawn": "2024-01-01T00:00:00Z", "affected": [
        {"package": {"ecosystem": "npm", "name": "left"}}]});
    let elsewhere = json!({"id": "E", "affected": [{"package": {"ecosystem": "crates.io", "name": "left"}}]});
    let mut new: Vec<_> = [withdrawn, elsewhere]
        .iter()
        .map(|document| NewAdvisory::new(&Advisory::parse(document.to_string().as_bytes()).unwrap(), 1))
        .collect();
    new.push(advisory("A", "left"));
    new.push(advisory("A", "right"));
    bring_in(&mut store, &OSV, &new);
    assert!(ids(&store, &OSV, "left").is_empty(), "of two with one id the later one counts");
    assert_eq!(ids(&store, &OSV, "right"), ["A"]);
    let snapshot = store.snapshot().unwrap();
    let feed = snapshot.feed(&OSV).unwrap().unwrap();
    assert_eq!(snapshot.modification_times(&feed).unwrap().len(), 3);
    assert_eq!(snapshot.count(&feed).unwrap(), 1);
}

#[test]
fn manifests_tell_every_version_from_some() {
    let place = Place::new();
    let mut store = place.store();
    let mut import = store.import(&FeedName::Datadog(Ecosystem::Npm)).unwrap();
    let manifest = [("all".to_owned(), None), ("some".to_owned(), Some(vec!["1.0.0".to_owned()]))];
    import.add_malicious(Ecosystem::Npm, &manifest.clone().into()).unwrap();
    import.finish(&state()).unwrap();
    let snapshot = store.snapshot().unwrap();
    let feed = snapshot.feed(&FeedName::Datadog(Ecosystem::Npm)).unwrap().unwrap();
    let listed = snapshot.malicious(&feed, Ecosystem::Npm, ["all", "some", "none"]).unwrap();
    assert_eq!(listed, manifest.into());
    assert!(snapshot.malicious(&feed, Ecosystem::PyPi, ["all"]).unwrap().is_empty());
}

#[test]
fn publish_times_are_kept_for_good() {
    let place = Place::new();
    let mut store = place.store();
    let published =
        |version: &str, time| Published { key: "a".to_owned(), version: version.to_owned(), time };
    store.put_publish_times(Ecosystem::Npm, "r", &[published("1", 10), published("2", 20)]).unwrap();
    store.put_publish_times(Ecosystem::Npm, "r", &[published("1", 99)]).unwrap();
    let times = store.publish_times(Ecosystem::Npm, "r", [("a", "2"), ("a", "1"), ("b", "1")]).unwrap();
    assert_eq!(times, [Some(20), Some(10), None]);
    assert_eq!(store.publish_times(Ecosystem::Npm, "other", [("a", "1")]).unwrap(), [None]);
}

fn exemption(name: &str, version: Option<&str>, expires: Option<i64>) -> NewExemption {
    NewExemption {
        ecosystem: Ecosystem::PyPi,
        name: name.to_owned(),
        version: version.map(str::to_owned),
        advisory: None,
        reason: "reviewed".to_owned(),
        malicious: false,
        created: 1,
        expires,
        author: "someone".to_owned(),
    }
}

#[test]
fn exemptions_are_found_by_normalised_name_until_they_end() {
    let place = Place::new();
    let mut store = place.store();
    let first = store.add_exemption(&exemption("Left_Pad", None, Some(100))).unwrap();
    store.add_exemption(&exemption("left.pad", Some("1.0"), None)).unwrap();
    let again = store.add_exemption(&exemption("left-pad", None, Some(200))).unwrap();
    assert_ne!(first, again);
    assert_eq!(store.exemptions().unwrap().len(), 2, "one for the same thing is replaced");
    let found = |now| store.exemptions_for(Ecosystem::PyPi, ["left-pad", "other"], now).unwrap().len();
    assert_eq!((found(150), found(200)), (2, 1));
    assert!(store.exemptions_for(Ecosystem::Npm, ["left-pad"], 0).unwrap().is_empty());
    assert!(store.remove_exemption(again).unwrap());
    assert!(!store.remove_exemption(again).unwrap());
    assert_eq!(store.exemptions().unwrap()[0].terms, exemption("left.pad", Some("1.0"), None));
}

fn run(time: i64, action: Action) -> NewRun {
    NewRun {
        id: NewRun::new_id(),
        time,
        action,
        purpose: Purpose::Install,
        manager: "npm".to_owned(),
        program: "npm".to_owned(),
        arguments: vec!["install".to_owned(), "a b".to_owned()],
        directory: "/project".to_owned(),
        executable: "/usr/bin/npm".to_owned(),
        record: "{}".to_owned(),
    }
}

fn target(name: &str, version: &str) -> Target {
    Target { source: Source::Registry, ..Target::registry(Package::new(Ecosystem::Npm, name, Some(version))) }
}

#[test]
fn the_ledger_is_asked_by_package_time_and_number() {
    let place = Place::new();
    let mut store = place.store();
    let (left, right) = (target("left", "1.0.0"), target("right", "2.0.0"));
    let runs = [run(10, Action::Allow), run(20, Action::Block), run(30, Action::Allow)];
    store.record(&runs[0], &[&left, &right], &[]).unwrap();
    store.record(&runs[1], &[&left], &[]).unwrap();
    store.record(&runs[2], &[&left], &[]).unwrap();
    assert!(store.record(&runs[2], &[&right], &[]).is_err(), "an id is there once");
    let found = |query: &RunQuery| -> Vec<i64> {
        store.runs(query).unwrap().iter().map(|run| run.run.time).collect()
    };
    assert_eq!(found(&RunQuery::default()), [30, 20, 10]);
    assert_eq!(found(&RunQuery { since: Some(20), limit: Some(1), ..RunQuery::default() }), [30]);
    let right_query = RunQuery { package: Some((Ecosystem::Npm, "right".to_owned())), ..RunQuery::default() };
    assert_eq!(found(&right_query), [10]);
    assert_eq!(found(&RunQuery { version: Some("9".to_owned()), ..right_query.clone() }), [0_i64; 0]);
    let first = &store.runs(&right_query).unwrap()[0];
    assert_eq!(first.run, runs[0]);
    assert_eq!(first.targets.len(), 2);
    assert_eq!(
        (first.targets[0].name.as_str(), first.targets[1].version.as_deref()),
        ("left", Some("2.0.0"))
    );
}

#[test]
fn a_build_is_not_shown_beside_the_install_that_it_was_part_of() {
    let place = Place::new();
    let mut store = place.store();
    let build = |time| NewRun { purpose: Purpose::Build, ..run(time, Action::Allow) };
    let (left, right) = (target("left", "1.0.0"), target("right", "1.0.0"));
    store.record(&build(10), &[&left], &[]).unwrap();
    store.record(&build(10), &[&right], &[]).unwrap();
    store.record(&run(20, Action::Allow), &[&left], &[]).unwrap();
    let found = store.runs(&RunQuery::default()).unwrap();
    let shown: Vec<_> = found.iter().map(|run| (run.run.purpose, run.targets[0].name.as_str())).collect();
    assert_eq!(shown, [(Purpose::Install, "left"), (Purpose::Build, "right")]);
    assert_eq!(store.installed().unwrap().len(), 3, "what was built has run too");
}

fn alert(installed: &Installed, advisory: &str) -> NewAlert {
    let summary = "it is bad".to_owned();
    NewAlert { target: installed.target, verifier: "OSV", advisory: advisory.to_owned(), summary, url: None }
}

#[test]
fn an_alert_is_given_to_one_of_many_and_once() {
    let place = Place::new();
    let mut store = place.store();
    let (left, right) = (target("left", "1.0.0"), target("right", "1.0.0"));
    let dry = NewRun { purpose: Purpose::DryRun, ..run(15, Action::Allow) };
    let own = Target { source: Source::Path, ..right.clone() };
    store.record(&run(10, Action::Allow), &[&left, &own], &[]).unwrap();
    store.record(&dry, &[&right], &[]).unwrap();
    store.record(&run(20, Action::Block), &[&left, &right], &[]).unwrap();
    let installed = store.installed().unwrap();
    assert_eq!(installed.len(), 1, "nothing that was blocked, tried or the user's own: {installed:?}");
    let (first, second) = (alert(&installed[0], "MAL-1"), alert(&installed[0], "MAL-2"));
    assert_eq!(store.put_alerts(&[first.clone(), second.clone()]).unwrap(), 2);
    assert_eq!(store.put_alerts(std::slice::from_ref(&first)).unwrap(), 1, "MAL-2 has left");
    let taken: Vec<_> = std::thread::scope(|scope| {
        let take = || place.store().take_alerts().unwrap();
        let threads: Vec<_> = (0..8).map(|_process| scope.spawn(take)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].time, taken[0].directory.as_str()), (10, "/project"));
    assert_eq!(taken[0].arguments, ["install", "a b"]);
    assert_eq!(store.put_alerts(&[first, second]).unwrap(), 1, "of MAL-1 the user was told");
    assert_eq!(store.take_alerts().unwrap()[0].advisory, "MAL-2");
    assert!(!store.has_untold_alerts().unwrap());
    store.put_back(&taken).unwrap();
    assert_eq!(store.untold_alerts().unwrap()[0].advisory, "MAL-1");
    let run = store.runs(&RunQuery::default()).unwrap().pop().unwrap();
    let told: Vec<_> =
        store.alerts_about(run.number).unwrap().iter().map(|alert| alert.told.is_some()).collect();
    assert_eq!(told, [false, true]);
}

#[test]
fn an_alert_is_recorded_by_one_of_many_and_once() {
    let place = Place::new();
    let mut store = place.store();
    store.record(&run(10, Action::Allow), &[&target("left", "1.0.0")], &[]).unwrap();
    let installed = store.installed().unwrap();
    let (first, second) = (alert(&installed[0], "MAL-1"), alert(&installed[0], "MAL-2"));
    store.put_alerts(std::slice::from_ref(&first)).unwrap();
    let found = store.unrecorded_alerts().unwrap();
    assert_eq!((found.len(), found[0].verifier.as_str()), (1, "OSV"));
    let sinks = [SinkKind::Api];
    let record = || place.store().record_alerts(&[(&found[0], "{}", &sinks)]).unwrap();
    let ours: Vec<bool> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_process| scope.spawn(record)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(ours.iter().filter(|is_ours| **is_ours).count(), 1);
    assert_eq!(store.waiting(SinkKind::Api, 9, 999).unwrap().len(), 1);
    // The next update finds it again, before the user was told.
    store.put_alerts(&[first, second]).unwrap();
    let left: Vec<_> = store.unrecorded_alerts().unwrap().into_iter().map(|alert| alert.advisory).collect();
    assert_eq!(left, ["MAL-2"]);
}

#[test]
fn others_have_their_turn_while_a_feed_comes_in() {
    let place = Place::new();
    let mut store = place.store();
    bring_in(&mut store, &OSV, &[advisory("A", "left")]);
    let is_done = AtomicBool::new(false);
    let (writes, slowest) = std::thread::scope(|scope| {
        let ledger = scope.spawn(|| {
            let mut store = place.store();
            let mut waits = Vec::new();
            while !is_done.load(Ordering::Relaxed) || waits.is_empty() {
                let start = std::time::Instant::now();
                store.record(&run(10, Action::Allow), &[&target("left", "1.0.0")], &[]).unwrap();
                assert_eq!(ids(&store, &OSV, "left"), ["A"]);
                waits.push(start.elapsed());
            }
            (waits.len(), waits.into_iter().max().unwrap())
        });
        let mut import = store.import(&OSV).unwrap();
        for part in 0..10 {
            let many: Vec<_> =
                (0..1000).map(|number| advisory(&format!("{part}-{number}"), "left")).collect();
            import.add(&many).unwrap();
        }
        is_done.store(true, Ordering::Relaxed);
        ledger.join().unwrap()
    });
    // No time is asserted, but that nobody had to wait for the whole of it: a busy timeout would have failed.
    assert!(writes > 10, "{writes} writes in all, the slowest after {slowest:?}");
    assert_eq!(rows(&store, "runs"), i64::try_from(writes).unwrap());
}

#[test]
fn what_is_no_store_is_damaged_and_a_newer_one_is_left_alone() {
    let place = Place::new();
    drop(place.store());
    let connection = Connection::open(place.path()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = Store::open(&place.path()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
    for garbage in
        [&b"not a database, but long enough to look like one"[..], b"SQLite format 3\0 and then nothing"]
    {
        fs::write(place.path(), garbage.repeat(100)).unwrap();
        assert!(Store::open(&place.path()).unwrap_err().is_damage());
    }
    fs::remove_file(place.path()).unwrap();
    Connection::open(place.path()).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(Store::open(&place.path()).unwrap_err().is_damage(), "somebody else's database");
}

#[test]
fn an_older_schema_is_brought_up_to_date_by_one_of_many() {
    let place = Place::new();
    let path = place.path();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "application_id", APPLICATION).unwrap();
    drop(connection);
    std::thread::scope(|scope| {
        for _process in 0..8 {
            scope.spawn(|| assert_eq!(rows(&place.store(), "runs"), 0));
        }
    });
}

#[test]
fn a_damaged_store_is_rebuilt_with_its_ledger_and_exemptions() {
    let place = Place::new();
    let mut store = place.store();
    let many: Vec<_> = (0..2000).map(|number| advisory(&format!("A-{number}"), "left")).collect();
    store.record(&run(10, Action::Allow), &[&target("left", "1.0.0")], &[]).unwrap();
    store.add_exemption(&exemption("left", None, None)).unwrap();
    bring_in(&mut store, &OSV, &many);
    store.empty_log().unwrap();
    drop(store);
    let mut bytes = fs::read(place.path()).unwrap();
    let length = bytes.len();
    bytes[length / 2..].fill(0x5a);
    fs::write(place.path(), bytes).unwrap();
    assert!(place.store().check().unwrap_err().is_damage());
    let rebuilt = rebuild(&place.path()).unwrap();
    assert_eq!((rebuilt.runs, rebuilt.exemptions, rebuilt.is_incomplete), (1, 1, false));
    assert!(rebuilt.aside.is_file());
    let store = place.store();
    store.check().unwrap();
    assert_eq!(store.runs(&RunQuery::default()).unwrap()[0].targets[0].name, "left");
    assert_eq!(store.exemptions().unwrap().len(), 1);
    assert!(ids(&store, &OSV, "left").is_empty());
    fs::write(place.path(), "garbage").unwrap();
    let rebuilt = rebuild(&place.path()).unwrap();
    assert_eq!((rebuilt.runs, rebuilt.is_incomplete), (0, true), "and it says so");
    place.store().check().unwrap();
}

#[test]
fn a_damaged_store_of_an_older_schema_keeps_its_ledger_too() {
    let place = Place::new();
    fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    let connection = Connection::open(place.path()).unwrap();
    for script in &MIGRATIONS[..2] {
        connection.execute_batch(script).unwrap();
    }
    let insert = "INSERT INTO runs (id, time, action, purpose, manager, arguments, directory, executable, record) \
        VALUES ('a', 1, 'ALLOW', 'install', 'npm', '[\"install\"]', '/project', '/usr/bin/npm', '{}')";
    connection.execute(insert, []).unwrap();
    connection
        .execute("INSERT INTO outbox (sink, time, bytes, record) VALUES ('api', 1, 2, '{}')", [])
        .unwrap();
    connection.execute("INSERT INTO sinks (name, dropped) VALUES ('api', 7)", []).unwrap();
    connection.pragma_update(None, "application_id", APPLICATION).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    drop(connection);
    let rebuilt = rebuild(&place.path()).unwrap();
    assert_eq!((rebuilt.runs, rebuilt.is_incomplete), (1, false));
    let store = place.store();
    assert_eq!(store.runs(&RunQuery::default()).unwrap()[0].run.program, "npm");
    let state = store.sink_state(SinkKind::Api).unwrap();
    assert_eq!((state.waiting, state.dropped), (1, 7), "what waits is counted anew");
}

#[test]
fn processes_that_write_once_keep_the_log_short() {
    let home = tempfile::tempdir().unwrap();
    let path = Store::path_in(home.path());
    let log = home.path().join(format!("{FILE_NAME}-wal"));
    let targets: Vec<Target> = (0..500)
        .map(|number| {
            Target::registry(Package::new(Ecosystem::Npm, format!("package-{number}"), Some("1.0.0")))
        })
        .collect();
    let targets: Vec<&Target> = targets.iter().collect();
    let mut longest = 0;
    for _process in 0..100 {
        let mut store = Store::open(&path).unwrap();
        store.record(&run(1, Action::Allow), &targets, &[]).unwrap();
        store.trim_log().unwrap();
        drop(store);
        longest = longest.max(std::fs::metadata(&log).map_or(0, |log| log.len()));
    }
    assert!(longest > 0 && longest < 2 * LONGEST_LOG, "{longest}");
    assert_eq!(Store::open(&path).unwrap().runs(&RunQuery::default()).unwrap().len(), 100);
}
