//! The world as its clients see it, over sockets of its own.

use std::io::{self, BufRead, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use scfw_core::package::Ecosystem;
use serde_json::{Value, json};

use crate::archive::{self, Entry};
use crate::encoding::{integrity, sha256_hex};
use crate::{Failure, NpmPackage, Sdist, Service, Wheel, World};

/// One connection to a world.
struct Client(BufReader<TcpStream>);

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    fn of(world: &World) -> Self {
        let stream = TcpStream::connect(world.base.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, start: &str, headers: &str, body: &[u8]) -> io::Result<Answer> {
        let length = body.len();
        let head = format!("{start} HTTP/1.1\r\nHost: world\r\n{headers}Content-Length: {length}\r\n\r\n");
        self.0.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        self.receive()
    }

    fn receive(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head[9..12].parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body)?;
        Ok(Answer { status, head, body })
    }
}

fn get(world: &World, path: &str, headers: &str) -> Answer {
    Client::of(world).send(&format!("GET {path}"), headers, b"").unwrap()
}

fn query(world: &World, queries: &Value) -> Answer {
    let body = json!({"queries": queries}).to_string();
    Client::of(world).send("POST /osv/v1/querybatch", "", body.as_bytes()).unwrap()
}

fn package(ecosystem: &str, name: &str) -> Value {
    json!({"package": {"ecosystem": ecosystem, "name": name}})
}

fn ids(result: &Value) -> Vec<&str> {
    result["vulns"].as_array().into_iter().flatten().filter_map(|found| found["id"].as_str()).collect()
}

#[test]
fn the_index_speaks_html_and_json_of_any_spelling() {
    let world = World::start().unwrap();
    world.add_wheel(Wheel::new("Some.Name", "1.0").requires("other>=1").with_metadata_file());
    world.add_sdist(Sdist::new("some_name", "2.0").uploaded("2024-02-03T04:05:06Z"));
    let page = get(&world, "/pypi/simple/SOME_name/", "Accept: text/html\r\n");
    assert!(page.text().contains(">some_name-1.0-py3-none-any.whl</a>"), "{}", page.text());
    let accept = "Accept: application/vnd.pypi.simple.v1+json\r\n";
    let project = get(&world, "/pypi/simple/some-name/", accept).json();
    assert_eq!(project["versions"], json!(["1.0", "2.0"]));
    for file in project["files"].as_array().unwrap() {
        let path = file["url"].as_str().unwrap().strip_prefix(&world.base).unwrap();
        let content = get(&world, path, "").body;
        assert_eq!(file["hashes"]["sha256"], sha256_hex(&content));
        assert_eq!(file["size"], content.len());
        assert!(page.text().contains(&format!("{path}#sha256={}", sha256_hex(&content))));
    }
    assert_eq!(project["files"][1]["upload-time"], "2024-02-03T04:05:06Z");
    let metadata = get(&world, "/pypi/files/some_name-1.0-py3-none-any.whl.metadata", "");
    assert!(metadata.text().ends_with("Requires-Dist: other>=1\n"));
    assert_eq!(get(&world, "/pypi/files/some_name-2.0.tar.gz.metadata", "").status, 404);
    assert_eq!(get(&world, "/pypi/simple/unknown/", "").status, 404);
}

#[test]
fn archives_are_the_same_every_time() {
    let tarball = || NpmPackage::new("a", "1.0.0").bin("b").canary("/c").tarball();
    assert_eq!(tarball(), tarball());
    let content = |world: &World, file: &str| get(world, &format!("/pypi/files/{file}"), "").body;
    let [one, other] = [World::start().unwrap(), World::start().unwrap()];
    for world in [&one, &other] {
        world.add_wheel(Wheel::new("a", "1").module_source("x = 1\n"));
        world.add_sdist(Sdist::new("a", "1").canary("/c"));
    }
    for file in ["a-1-py3-none-any.whl", "a-1.tar.gz"] {
        assert_eq!(content(&one, file), content(&other, file));
    }
}

#[test]
fn the_canary_is_the_first_thing_in_a_backend() {
    let world = World::start().unwrap();
    world.add_sdist(Sdist::new("a", "1").canary("/some/where \"odd\""));
    let archive = get(&world, "/pypi/files/a-1.tar.gz", "").body;
    let mut archive = tar::Archive::new(GzDecoder::new(archive.as_slice()));
    let mut backend = String::new();
    let mut entries = archive.entries().unwrap().map(Result::unwrap);
    let mut entry = entries.find(|entry| entry.path().unwrap().ends_with("a-1/backend.py")).unwrap();
    entry.read_to_string(&mut backend).unwrap();
    assert!(backend.starts_with("with open(\"/some/where \\\"odd\\\"\", \"a\") as canary:\n"), "{backend}");
}

#[test]
fn the_registry_serves_packuments_and_tarballs() {
    let world = World::start().unwrap();
    world.add_npm(NpmPackage::new("@scope/name", "1.0.0").canary("/c"));
    world.add_npm(NpmPackage::new("@scope/name", "1.1.0").dependency("x", "^1").bin("tool"));
    world.add_npm(
        NpmPackage::new("@scope/name", "2.0.0-rc").dist_tag("next").published("2025-01-01T00:00:00.000Z"),
    );
    let full = get(&world, "/npm/@scope%2fname", "").json();
    assert_eq!(full["dist-tags"], json!({"latest": "1.1.0", "next": "2.0.0-rc"}));
    assert_eq!(full["time"]["modified"], "2025-01-01T00:00:00.000Z");
    assert_eq!(full["versions"]["1.1.0"]["bin"], json!({"tool": "bin/tool.js"}));
    let accept = "Accept: application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8\r\n";
    let brief = get(&world, "/npm/@scope/name", accept).json();
    assert_eq!(brief["versions"]["1.0.0"]["hasInstallScript"], true);
    assert!(brief["versions"]["1.1.0"].get("hasInstallScript").is_none());
    assert!(brief.get("time").is_none() && brief["versions"]["1.0.0"].get("scripts").is_none());
    let distribution = &brief["versions"]["1.1.0"]["dist"];
    let path = distribution["tarball"].as_str().unwrap().strip_prefix(&world.base).unwrap();
    assert_eq!(distribution["integrity"], integrity(&get(&world, path, "").body));
    let audit = Client::of(&world).send("POST /npm/-/npm/v1/security/advisories/bulk", "", b"{}").unwrap();
    assert_eq!((audit.status, audit.json()), (200, json!({})));
    assert_eq!(get(&world, "/npm/unknown", "").json(), json!({"error": "Not found"}));
}

#[test]
fn osv_finds_what_affects_a_package() {
    let world = World::start().unwrap();
    let every = world.malicious(Ecosystem::PyPi, "Bad.Name", None);
    let one = world.malicious(Ecosystem::PyPi, "bad-name", Some("1.0"));
    let mut odd = package("PyPI", "bad_name");
    odd["version"] = "2.0".into();
    let answer = query(&world, &json!([package("PyPI", "bad_name"), odd, package("npm", "bad-name")])).json();
    assert_eq!(ids(&answer["results"][0]), [every.as_str(), one.as_str()]);
    assert_eq!(ids(&answer["results"][1]), [every.as_str()]);
    assert_eq!(answer["results"][2], json!({}));
    assert_eq!(get(&world, &format!("/osv/v1/vulns/{one}"), "").json()["id"], one);
    assert_eq!(get(&world, "/osv/v1/vulns/MAL-0000-99", "").status, 404);
    assert_eq!(query(&world, &json!([package("pypi", "bad-name")])).status, 400);
    assert_eq!(query(&world, &vec![package("npm", "x"); 1001].into()).status, 400);
}

#[test]
fn osv_pages_and_leaves_out_what_is_withdrawn() {
    let world = World::start().unwrap();
    for _ in 0..5 {
        world.malicious(Ecosystem::Npm, "bad", None);
    }
    world.osv_page_size(2);
    let mut found = Vec::new();
    let mut question = package("npm", "bad");
    loop {
        let result = query(&world, &json!([question])).json()["results"][0].clone();
        found.extend(ids(&result).into_iter().map(str::to_owned));
        let Some(token) = result.get("next_page_token") else { break };
        question["page_token"] = token.clone();
    }
    assert_eq!(found, ["MAL-0000-1", "MAL-0000-2", "MAL-0000-3", "MAL-0000-4", "MAL-0000-5"]);

    let affected = json!([{"package": {"ecosystem": "npm", "name": "good"}, "versions": ["1.0.0"]}]);
    world.add_advisory(json!({"id": "MAL-1", "withdrawn": "2024-01-01T00:00:00Z", "affected": affected}));
    let found = || ids(&query(&world, &json!([package("npm", "good")])).json()["results"][0]).len();
    assert_eq!(found(), 0);
    world.osv_serves_withdrawn(true);
    assert_eq!(found(), 1);
}

#[test]
fn real_data_can_be_loaded() {
    let record = json!({"id": "MAL-1", "affected": [{"package": {"ecosystem": "npm", "name": "bad"}}]});
    let export = archive::zip(&[Entry::new("MAL-1.json", record.to_string())]);
    let directory = std::env::temp_dir().join(format!("scfw-world-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("all.zip"), export).unwrap();
    std::fs::write(directory.join("manifest.json"), r#"{"worse":null,"bad":["1"]}"#).unwrap();
    let world = World::start().unwrap();
    let advisories = world.load_osv_zip(&directory.join("all.zip"));
    let packages = world.load_datadog_manifest(Ecosystem::Npm, &directory.join("manifest.json"));
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!((advisories.unwrap(), packages.unwrap()), (1, 2));
    assert_eq!(ids(&query(&world, &json!([package("npm", "bad")])).json()["results"][0]), ["MAL-1"]);
}

#[test]
fn a_manifest_is_sent_once_per_state() {
    let world = World::start().unwrap();
    world.malicious(Ecosystem::Npm, "every", None);
    world.malicious(Ecosystem::Npm, "one", Some("1.0.0"));
    let path = "/datadog/samples/npm/manifest.json";
    let manifest = get(&world, path, "");
    assert_eq!(manifest.json(), json!({"every": null, "one": ["1.0.0"]}));
    let tag = manifest.head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
    let condition = format!("If-None-Match: {tag}\r\n");
    assert_eq!(get(&world, path, &condition).status, 304);
    world.list_in_datadog(Ecosystem::Npm, "another", None);
    assert_eq!(get(&world, path, &condition).status, 200);
    // One without any package would be taken for a broken one.
    let empty = get(&world, "/datadog/samples/pypi/manifest.json", "").json();
    assert_eq!(empty, json!({"filler": ["0.0.0"]}));
}

#[test]
fn services_fail_as_told_and_heal() {
    let world = World::start().unwrap();
    let path = "/datadog/samples/npm/manifest.json";
    let ask = |failure| {
        world.fail(Service::Datadog, Some(failure));
        Client::of(&world).send(&format!("GET {path}"), "", b"")
    };
    assert_eq!(ask(Failure::Status(503)).unwrap().status, 503);
    assert!(serde_json::from_slice::<Value>(&ask(Failure::Garbage).unwrap().body).is_err());
    assert!(
        ask(Failure::Redirect("http://127.0.0.1:1/".to_owned()))
            .unwrap()
            .head
            .contains("Location: http://127.0.0.1:1/")
    );
    for failure in [Failure::Truncated, Failure::Close] {
        assert_eq!(ask(failure).err().map(|error| error.kind()), Some(ErrorKind::UnexpectedEof));
    }
    assert_eq!(get(&world, "/osv/v1/vulns/x", "").status, 404, "the others are well");
    world.fail(Service::Datadog, None);
    assert_eq!(get(&world, path, "").status, 200);
    assert_eq!(world.requests().iter().filter(|request| request.service == Service::Datadog).count(), 6);
}

#[test]
fn a_gigabyte_comes_in_pieces_and_ends_with_its_reader() {
    let world = World::start().unwrap();
    world.fail(Service::Osv, Some(Failure::Gigabyte));
    let mut client = Client::of(&world);
    let answer = client.send("POST /osv/v1/querybatch", "", b"{}").unwrap();
    assert!(answer.head.contains("Transfer-Encoding: chunked"));
    let mut start = vec![0; 1024 * 1024];
    client.0.read_exact(&mut start).unwrap();
    assert!(start.starts_with(b"16\r\n{\"results\":[{\"vulns\":["), "{:?}", str::from_utf8(&start[..40]));
    drop(client);
    drop(world);
}

#[test]
fn the_end_of_a_world_is_the_end_of_its_connections() {
    let world = World::start().unwrap();
    world.fail(Service::Index, Some(Failure::Hang));
    let mut idle = Client::of(&world);
    let mut waiting = Client::of(&world);
    waiting.0.get_mut().write_all(b"GET /pypi/simple/x/ HTTP/1.1\r\n\r\n").unwrap();
    while world.requests().is_empty() {
        std::thread::yield_now();
    }
    let start = Instant::now();
    drop(world);
    assert!(start.elapsed() < Duration::from_secs(4));
    assert!(idle.receive().is_err() && waiting.receive().is_err());
}

#[test]
fn a_connection_carries_many_requests_and_keeps_them_within_bounds() {
    let world = World::start().unwrap();
    let mut client = Client::of(&world);
    for _ in 0..3 {
        assert_eq!(client.send("GET /nowhere?query=%41", "", b"").unwrap().status, 404);
    }
    assert_eq!(world.requests()[0].path, "/nowhere?query=A");
    assert_eq!(world.requests()[0].service, Service::Elsewhere);
    world.forget_requests();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(br#"{"secret-name":["1.0.0"]}"#).unwrap();
    let audit = "POST /npm/-/npm/v1/security/advisories/bulk";
    client.send(audit, "Content-Encoding: gzip\r\nConnection: close\r\n", &gzip.finish().unwrap()).unwrap();
    assert!(world.requests()[0].mentions("secret-name"));
    assert!(client.receive().is_err(), "closed as asked");

    for (message, status) in [
        ("POST /osv HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        ("POST /osv HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        ("nonsense\r\n\r\n", 400),
    ] {
        let mut client = Client::of(&world);
        client.0.get_mut().write_all(message.as_bytes()).unwrap();
        assert_eq!(client.receive().unwrap().status, status, "{message}");
    }
    let mut client = Client::of(&world);
    client.0.get_mut().write_all(format!("GET /{}", "x".repeat(64 * 1024 - 5)).as_bytes()).unwrap();
    assert_eq!(client.receive().unwrap().status, 431);
}
