"""What scfw costs, as a table: medians of interleaved runs of a command bare and through scfw-hook.

Both use the same caches, which a first run has warmed; the feeds are served on loopback by the `serve` example.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binaries", type=pathlib.Path, required=True, help="where scfw-hook was built")
    parser.add_argument("--library", type=pathlib.Path, required=True, help="the preload library")
    parser.add_argument("--runs", type=int, default=15, help="measured runs of each command (default 15)")
    parser.add_argument("--feeds", type=pathlib.Path, help="a folder with osv/ and datadog/; without it, small ones")
    return parser.parse_args()


def feeds(options):
    """The feeds' server, and the variables that name it."""
    command = [str(options.binaries / "examples" / "serve")]
    if options.feeds:
        command += ["--osv", str(options.feeds / "osv"), "--datadog", str(options.feeds / "datadog")]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    return server, dict(word.split("=", 1) for word in line.removeprefix("export ").split())


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

    def once(self, command, status=0):
        """Seconds that one run takes in a folder of its own."""
        folder = tempfile.mkdtemp(dir=self.place)
        start = time.perf_counter()
        done = subprocess.run(command, cwd=folder, env=self.environment, capture_output=True, text=True)
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

    def block(self, *command):
        self.once((self.hook, *command), status=77)
        return statistics.median(self.once((self.hook, *command), status=77) for _ in range(self.runs))


def main():
    options = arguments()
    server, variables = feeds(options)
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
            blocked = bench.block("npm", "install", "passports-js")
            rows.append(("npm install passports-js (blocked)", None, blocked, f"{blocked * 1e3:.1f} ms", "20 ms"))
    finally:
        server.terminate()
        server.wait()
    print(f"\n{'command':42} {'bare':>10} {'scfw':>10} {'cost':>10}   budget   (medians of {options.runs})")
    for name, bare, routed, cost, budget in rows:
        shown = "" if bare is None else f"{bare * 1e3:.1f} ms"
        print(f"{name:42} {shown:>10} {routed * 1e3:>7.1f} ms {cost:>10}   {budget}")


if __name__ == "__main__":
    main()
