"""What scfw costs, as a table: medians of interleaved runs of a command bare and through scfw-hook.

Both use the same caches, which a first run has warmed; the feeds are served on loopback by the `serve` example.
"""
import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile

# What the store is measured with: about what OSV publishes for the two ecosystems.
ADVISORIES = {"npm": 212_000, "PyPI": 38_000}
TARGETS = 1_500


# The packages of a large lockfile.
LOCKED = 1500


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binaries", type=pathlib.Path, required=True, help="where scfw-hook was built")
    parser.add_argument("--library", type=pathlib.Path, required=True, help="the preload library")
    parser.add_argument("--runs", type=int, default=15, help="measured runs of each command (default 15)")
    parser.add_argument("--feeds", type=pathlib.Path, help="a folder with osv/ and datadog/; without it, small ones")
    return parser.parse_args()


def feeds(options):
    """The feeds' server, and the variables that name it."""
    command = [str(options.binaries / "examples" / "serve"), "--packages", str(LOCKED)]
    if options.feeds:
        command += ["--osv", str(options.feeds / "osv"), "--datadog", str(options.feeds / "datadog")]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    return server, dict(word.split("=", 1) for word in line.removeprefix("export ").split())


def documents(feeds, ecosystem):
    """A few thousand advisories to multiply: real ones where there are any."""
    if feeds:
        with zipfile.ZipFile(feeds / "osv" / ecosystem / "all.zip") as archive:
            for name in archive.namelist()[:20_000]:
                yield json.loads(archive.read(name))
    else:
        kind = "SEMVER" if ecosystem == "npm" else "ECOSYSTEM"
        for number in range(4_000):
            fixed = [] if number % 4 else [{"fixed": f"1.{number % 90}.0"}]
            package = {"ecosystem": ecosystem, "name": f"package-{number}"}
            ranges = [{"type": kind, "events": [{"introduced": "0"}, *fixed]}]
            versions = [f"1.{minor}.0" for minor in range(number % 12)]
            yield {"id": f"MAL-0000-{number}" if number % 4 else f"GHSA-{number}", "modified": "2024-01-01T00:00:00Z",
                   "summary": f"Malicious code in package-{number}", "details": "What it does, at some length. " * 30,
                   "affected": [{"package": package, "ranges": ranges, "versions": versions}]}


def multiply(feeds, place):
    """A mirror with as many advisories as the public one, and the names of packages that are in it."""
    names = []
    for ecosystem, total in ADVISORIES.items():
        folder = place / "osv" / ecosystem
        folder.mkdir(parents=True)
        originals = list(documents(feeds, ecosystem))
        with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, \
                open(folder / "modified_id.csv", "w", encoding="utf-8") as index:
            for number in range(total):
                document = originals[number % len(originals)]
                copy = number // len(originals)
                text = json.dumps(document)
                if copy:
                    text = json.dumps(dict(document, id=f"{document['id']}-{copy}", affected=[
                        dict(affected, package=dict(affected["package"], name=f"{affected['package']['name']}-{copy}"))
                        for affected in document.get("affected", []) if "package" in affected]))
                identifier = f"{document['id']}-{copy}" if copy else document["id"]
                archive.writestr(f"{identifier}.json", text)
                index.write(f"{document['modified']},{identifier}\n")
        names.append((ecosystem, [affected["package"]["name"] for document in originals[:2_000]
                                  for affected in document.get("affected", []) if "package" in affected]))
    for folder in ("npm", "pypi"):
        manifest = place / "datadog" / "samples" / folder / "manifest.json"
        manifest.parent.mkdir(parents=True)
        manifest.write_text(json.dumps({f"malicious-{number}": None for number in range(20_000)}))
    return dict(names)


class Bench:
    def __init__(self, options, variables, place):
        self.runs = options.runs
        self.hook = str((options.binaries / "scfw-hook").resolve())
        self.scfw = str((options.binaries / "scfw").resolve())
        self.place = pathlib.Path(place)
        self.environment = dict(os.environ, SCFW_HOME=str(self.place / "scfw"), **variables)
        # Notices about new versions would ask the network in some runs and not in others.
        self.environment.update(PIP_DISABLE_PIP_VERSION_CHECK="1", npm_config_update_notifier="false")
        self.environment.update(npm_config_audit="false", npm_config_fund="false")

    def once(self, command, status=0, document=None, **variables):
        """Seconds that one run takes in a folder of its own."""
        folder = tempfile.mkdtemp(dir=self.place)
        start = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env=dict(self.environment, **variables), input=document, capture_output=True, text=True
        )
        elapsed = time.perf_counter() - start
        shutil.rmtree(folder)
        if done.returncode != status:
            sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return elapsed

    def compare(self, *command):
        """Medians of the bare command and of the same through the hook, run in turn."""
        bare, routed = [], []
        self.once(command)
        self.once((self.hook, *command))
        for _ in range(self.runs):
            bare.append(self.once(command))
            routed.append(self.once((self.hook, *command)))
        return statistics.median(bare), statistics.median(routed)

    def exec_cost(self, library):
        """The least that starting a program costs that is none of ours, bare and under the preload library."""
        program = self.place / "spawn_cost"
        source = pathlib.Path(__file__).parent / "c" / "spawn_cost.c"
        subprocess.run(["cc", "-O2", "-o", program, source], check=True)
        loaded = dict(self.environment, LD_PRELOAD=str(library.resolve()), SCFW_SHIM_HOOK=self.hook)
        times = ([], [])
        # So short and so many that some are undisturbed: what is measured is a hundredth of what another process on
        # the same core adds.
        for _ in range(self.runs * 10):
            for environment, measured in zip((self.environment, loaded), times):
                done = subprocess.run([program, "20", "/bin/true"], env=environment, capture_output=True, text=True)
                if done.returncode != 0:
                    sys.exit(f"spawn_cost ended with {done.returncode}: {done.stderr}")
                measured.append(float(done.stdout))
        return tuple(min(measured) for measured in times)

    def shell(self, shell):
        """Medians of starting an interactive shell without and with what `scfw configure` sets up."""
        homes = []
        for name in ("bare", "integrated"):
            home = self.place / f"{shell}-{name}"
            for file in (".bashrc", ".zshrc", ".config/fish/config.fish"):
                path = home / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            homes.append({"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")})
        subprocess.run(
            [self.scfw, "configure", "--yes"], env=dict(self.environment, **homes[1]), check=True, capture_output=True
        )
        times = ([], [])
        for _ in range(self.runs * 2 + 1):
            for home, measured in zip(homes, times):
                environment = self.environment
                self.environment = dict(environment, **home)
                measured.append(self.once((shell, "-i", "-c", "exit")))
                self.environment = environment
        # The first run of each warms what there is to warm.
        return tuple(statistics.median(measured[1:]) for measured in times)

    def store(self, scfw, feeds):
        """Seconds and MiB that an update takes, and medians of verifying against what it brought."""
        mirror = self.place / "mirror"
        names = multiply(feeds, mirror)["npm"]
        # A child's peak counts from its fork, so the parent has to be a small one.
        launch = ("import json, resource, subprocess, sys, time; start = time.perf_counter()\n"
                  "status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
                  "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
                  "print(json.dumps([status, time.perf_counter() - start, peak / 1024]))")
        launched = subprocess.run([sys.executable, "-S", "-c", launch, scfw, "update", "--from", str(mirror)],
                                  env=self.environment, stdout=subprocess.PIPE, check=True)
        status, update, memory = json.loads(launched.stdout)
        if status:
            sys.exit(f"scfw update ended with {status}")
        medians = []
        # Of those that are known to the feed, a tenth: an ordinary lockfile has fewer.
        for known in (0, TARGETS // 10):
            targets = [{"name": f"innocent-{number}", "version": "1.2.3", "source": "registry",
                        "published": "2020-01-01T00:00:00Z"} for number in range(TARGETS)]
            for number in range(known):
                targets[number * 7]["name"] = names[number % len(names)]
            document = json.dumps({"protocol": 1, "manager": "npm", "version": "11.0.0", "phase": "build",
                                   "argv": ["install"], "targets": targets})
            times = []
            for _ in range(self.runs * 2):
                start = time.perf_counter()
                done = subprocess.run([self.hook, "verify"], env=self.environment, input=document, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                times.append(time.perf_counter() - start)
                if done.returncode != (77 if known else 0):
                    sys.exit(f"verify ended with {done.returncode}:\n{done.stderr}")
            medians.append(statistics.median(times))
        return update, memory, medians

    def ages(self, registry):
        """Medians of verifying a lockfile without a minimum age, with one for the first time, and again."""
        package = {"version": "1.30.0", "source": "registry", "index": registry}
        targets = [dict(package, name=f"package-{number}") for number in range(LOCKED)]
        document = json.dumps(
            {"protocol": 1, "manager": "npm", "version": "1", "phase": "install", "argv": ["ci"], "targets": targets}
        )
        times = ([], [], [])
        for _ in range(self.runs):
            for file in (self.place / "scfw").glob("store.db*"):
                file.unlink()
            for measured, hours in zip(times, ("0", "24", "24")):
                measured.append(
                    self.once((self.hook, "verify"), document=document, SCFW_PACKAGE_MINIMUM_AGE=hours)
                )
        return tuple(statistics.median(measured) for measured in times)

    def dead_sinks(self, *command):
        """Medians of a command through the hook, without a sink and with two dead ones, one of which hangs."""
        with socket.create_server(("127.0.0.1", 0)) as hanging:
            dead = {
                "SCFW_DD_AGENT_LOG_PORT": "1",
                "SCFW_DD_LOG_LEVEL": "ALLOW",
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{hanging.getsockname()[1]}",
            }
            times = ([], [])
            environment = self.environment
            for _ in range(self.runs + 1):
                for sinks, measured in zip(({}, dead), times):
                    self.environment = dict(environment, **sinks)
                    measured.append(self.once((self.hook, *command)))
            self.environment = environment
        return tuple(statistics.median(measured[1:]) for measured in times)

    def block(self, *command):
        self.once((self.hook, *command), status=77)
        return statistics.median(self.once((self.hook, *command), status=77) for _ in range(self.runs))


def main():
    options = arguments()
    server, variables = feeds(options)
    registry = variables.pop("SERVED_REGISTRY")
    rows = []
    try:
        with tempfile.TemporaryDirectory() as place:
            bench = Bench(options, variables, place)
            for command in (["npm", "--version"], ["pip", "--version"]):
                bare, routed = bench.compare(*command)
                rows.append((" ".join(command), bare, routed, f"{(routed - bare) * 1e3:+.1f} ms", "+2 ms"))
            for command in (["pip", "install", "--target", "out", "requests"], ["npm", "install", "express"]):
                bare, routed = bench.compare(*command)
                rows.append((" ".join(command), bare, routed, f"{routed / bare:.3f} x", "1.05 x"))
            for shell in ("bash", "zsh", "fish"):
                if shutil.which(shell):
                    bare, routed = bench.shell(shell)
                    rows.append((f"{shell} -i -c exit", bare, routed, f"{(routed - bare) * 1e3:+.1f} ms", "+5 ms"))
            bare, loaded = bench.exec_cost(options.library)
            rows.append(("exec of /bin/true, preload library (least)", bare, loaded, f"{(loaded - bare) * 1e6:+.0f} us", "+50 us"))
            without, cold, warm = bench.ages(registry)
            rows.append((f"ages of {LOCKED} locked packages, cold", without, cold, f"{cold - without:+.2f} s", "+3 s"))
            rows.append((f"ages of {LOCKED} locked packages, warm", without, warm, f"{(warm - without) * 1e3:+.1f} ms", "none"))
            for command in (["pip", "install", "--target", "out", "requests"], ["npm", "install", "express"]):
                without, dead = bench.dead_sinks(*command)
                name = f"{' '.join(command)} (dead sinks)"
                rows.append((name, without, dead, f"{dead / without:.3f} x", "noise"))
            blocked = bench.block("npm", "install", "passports-js")
            rows.append(("npm install passports-js (blocked)", None, blocked, f"{blocked * 1e3:.1f} ms", "20 ms"))
            update, memory, (clean, found) = bench.store(str((options.binaries / "scfw").resolve()), options.feeds)
            total = sum(ADVISORIES.values())
            rows.append((f"scfw update, {total:,} advisories", None, update, f"{update:.1f} s", "20 s"))
            rows.append(("  its memory", None, None, f"{memory:.0f} MiB", "300 MB"))
            rows.append((f"verify {TARGETS:,} targets, nothing known", None, clean, f"{clean * 1e3:.1f} ms", "15 ms"))
            rows.append((f"verify {TARGETS:,} targets, a tenth known", None, found, f"{found * 1e3:.1f} ms", "15 ms"))
    finally:
        server.terminate()
        server.wait()
    print(f"\n{'command':54} {'bare':>10} {'scfw':>10} {'cost':>10}   budget   (medians of {options.runs})")
    for name, bare, routed, cost, budget in rows:
        shown = "" if bare is None else f"{bare * 1e3:.1f} ms"
        through = "" if routed is None else f"{routed * 1e3:.1f} ms"
        print(f"{name:54} {shown:>10} {through:>10} {cost:>10}   {budget}")


if __name__ == "__main__":
    main()
