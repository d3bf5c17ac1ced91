//! What an adversary tried on the feeds and what held: answers that no service of this world gives by itself.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use scfw_core::package::Ecosystem;
use serde_json::{Value, json};

use crate::support::Sandbox;

/// Answers every request on a port of the loopback interface with these bytes, and gives its address.
fn parrot(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever has had enough closes the connection.
            drop(speak(stream, &answer));
        }
    });
    address
}

fn speak(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => request.extend_from_slice(&buffer[..length]),
        }
    }
    stream.write_all(answer)?;
    stream.shutdown(Shutdown::Write)?;
    // A connection that is closed while something is unread takes the answer with it.
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

fn response(head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    [format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n").as_bytes(), body]
        .concat()
}

/// A JSON document of `length` blanks and nothing else that matters, in the compression of HTTP.
fn bomb(sandbox: &Sandbox, length: usize) -> Vec<u8> {
    let script = "import gzip, sys\n\
        with gzip.open('bomb', 'wb', 1) as file:\n    file.write(b'{\"results\": [')\n    \
        for _ in range(int(sys.argv[1]) >> 20): file.write(b' ' * (1 << 20))\n    file.write(b'{}]}')";
    sandbox.bare("python3", &["-c", script, &length.to_string()]).ended_with(0);
    std::fs::read(sandbox.project("bomb")).unwrap()
}

/// Answers that say nothing about any package, each with what it is.
fn answers(sandbox: &Sandbox) -> Vec<(&'static str, Vec<u8>)> {
    let json = |body: &[u8]| response("200 OK\r\nContent-Type: application/json", body);
    let many = (0..5_000).fold(String::new(), |text, number| text + "X-" + &number.to_string() + ": y\r\n");
    let long = format!("X-Long: {}\r\n", "y".repeat(1 << 20));
    vec![
        ("no content", b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_vec()),
        ("an empty body", json(b"")),
        ("null", json(b"null")),
        ("a list", json(b"[]")),
        ("a number", json(b"1e999")),
        ("a text", json(b"\"results\"")),
        ("a page", response("200 OK\r\nContent-Type: text/html", b"<!DOCTYPE html><title>Sign in</title>")),
        ("a hundred thousand levels", json(&b"[".repeat(100_000))),
        ("deep results", json(format!("{{\"results\": {}", "[".repeat(100_000)).as_bytes())),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        ("another HTTP", b"HTTP/9.9 200 OK\r\n\r\n{}".to_vec()),
        ("five thousand headers", response(&format!("200 OK\r\n{}", many.trim_end()), b"{}")),
        ("a header of a megabyte", response(&format!("200 OK\r\n{}", long.trim_end()), b"{}")),
        ("no gzip", response("200 OK\r\nContent-Encoding: gzip", b"{}")),
        ("a bomb", response("200 OK\r\nContent-Encoding: gzip", &bomb(sandbox, 128 << 20))),
    ]
}

#[test]
fn an_answer_that_says_nothing_is_no_answer() {
    for (variable, verifier) in [("SCFW_OSV_API_URL", "OSV"), ("SCFW_DD_DATASET_URL", "Datadog")] {
        let mut sandbox = Sandbox::new();
        let own = sandbox.variable(variable);
        for (what, answer) in answers(&sandbox) {
            sandbox.set(variable, parrot(answer));
            let finished = sandbox.scfw(&["check", "--format", "json", "npm:good@1.0.0"]);
            let finished = finished.does_not_say("panicked");
            assert_eq!(finished.status, 1, "{verifier}, {what}: {finished:?}");
            let json: Value = serde_json::from_str(&finished.stdout).unwrap();
            let findings = json[0]["findings"].as_array().unwrap();
            assert!(
                findings.iter().any(|finding| finding["verifier"] == verifier
                    && finding["message"].as_str().unwrap().starts_with("could not be verified: ")),
                "{verifier}, {what}: {json:#}"
            );
            assert!(finished.stdout.len() < 4096, "{verifier}, {what}: {}", finished.stdout.len());
        }
        sandbox.set(variable, own);
        sandbox.scfw(&["check", "npm:good@1.0.0"]).ended_with(0);
    }
}

#[test]
fn an_answer_about_fewer_packages_than_were_asked_about_is_none() {
    let mut sandbox = Sandbox::new();
    for body in [
        &br#"{"results": [{}]}"#[..],
        br#"{"results": [{}, {}, {}]}"#,
        br#"{"results": []}"#,
        br#"{"results": null}"#,
        br#"{"results": {"0": {}, "1": {}}}"#,
    ] {
        sandbox.set("SCFW_OSV_API_URL", parrot(response("200 OK", body)));
        let finished = sandbox.scfw(&["check", "npm:good@1.0.0", "npm:other@1.0.0"]).ended_with(1);
        assert!(finished.stdout.contains("could not be verified: OSV.dev"), "{}", finished.stdout);
    }
}

#[test]
fn an_age_that_nobody_tells_is_not_known() {
    let sandbox = Sandbox::new();
    for (what, answer) in answers(&sandbox) {
        let target =
            json!([{"name": "good", "version": "1.0.0", "source": "registry", "index": parrot(answer)}]);
        let document = json!({"protocol": 1, "manager": "npm", "version": "1", "phase": "install",
            "argv": ["ci"], "targets": target});
        let finished = sandbox.hook_with_input(&["verify"], document.to_string().as_bytes());
        let finished = finished.does_not_say("panicked");
        assert_eq!(finished.status, 69, "{what}: {finished:?}");
        assert!(finished.stderr.contains("its age is not known"), "{what}: {}", finished.stderr);
    }
}

/// An export in a directory, with one advisory that makes `evil` known, is replaced by others in the same place.
#[test]
fn a_hostile_export_is_refused_or_read_within_its_bounds() {
    let sandbox = Sandbox::new();
    sandbox.world.malicious(Ecosystem::Npm, "evil", None);
    sandbox.scfw(&["update"]).ended_with(0);
    let script = "import io, sys, zipfile\n\
        def pack(entries):\n    \
            file = io.BytesIO()\n    \
            with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:\n        \
                for name, content in entries: archive.writestr(name, content)\n    \
            return file.getvalue()\n\
        advisory = '{\"id\": \"MAL-1\", \"modified\": \"2020-01-01T00:00:00Z\", \"affected\": []}'\n\
        kinds = {\n\
            'slip': [('../../../slipped.json', advisory), ('/tmp/scfw-slipped.json', advisory)],\n\
            'nested': [('MAL-1.json', pack([('MAL-1.json', advisory)])), ('more.zip', pack([('a', 'b')]))],\n\
            'folders': [('MAL-1.json/', ''), ('a/b/c/MAL-1.json', advisory)],\n\
            'twice': [('MAL-1.json', '{'), ('MAL-1.json', advisory)],\n\
            'many': [(f'{number}.json', '') for number in range(50000)],\n\
        }\n\
        open(sys.argv[2], 'wb').write(pack(kinds[sys.argv[1]]))";
    std::fs::create_dir_all(sandbox.project("mirror/osv/npm")).unwrap();
    let zip = sandbox.project("mirror/osv/npm/all.zip");
    let mirror = sandbox.project("mirror");
    for kind in ["slip", "nested", "folders", "twice", "many"] {
        sandbox.bare("python3", &["-W", "ignore", "-c", script, kind, zip.to_str().unwrap()]).ended_with(0);
        let finished = sandbox.scfw(&["update", "--from", mirror.to_str().unwrap()]);
        let finished = finished.does_not_say("panicked");
        assert!([0, 1].contains(&finished.status), "{kind}: {finished:?}");
        for place in ["slipped.json", "project/slipped.json", "scfw/slipped.json"] {
            assert!(!sandbox.path(place).exists(), "{kind}");
        }
        // None of them is a reason to forget what was known.
        sandbox.scfw(&["check", "npm:evil"]).ended_with(77);
    }
}
