"""The tests Argilla's SDK brings along in its source package, unmodified, against a server of ours (usage: common.py).

Those that need the hub skip themselves. Prints what pytest prints, and a last line "N passed, N failed, N skipped"."""
import os, re, subprocess, sys
from common import TAP, Server


def main():
    server = Server(*sys.argv[1:3 if sys.argv[1].startswith("http") else 2])
    environment = {**os.environ, "ARGILLA_API_URL": server.url, "ARGILLA_API_KEY": server.key, "HF_HUB_OFFLINE": "1"}
    try:
        # Its datasets are named by the second: two tests within one take the same name, and the later is tried again in the next.
        run = subprocess.run([sys.executable, "-m", "pytest", "-q", "-W", "ignore", "-p", "no:cacheprovider",
                              "--retries", "2", "--retry-delay", "1.1", "tests/integration"],
                             cwd="build/argilla-tests", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=550)
        server.stop()
    finally:
        server.remove()
    print(run.stdout, file=TAP)
    last = (run.stdout.strip().split("\n") or [""])[-1]
    count = lambda word: sum(int(n) for n in re.findall(rf"(\d+) {word}", last))
    failed = count("failed") + count("error") or int(run.returncode not in (0, 1) or not count("passed"))
    print(f"{count('passed')} passed, {failed} failed, {count('skipped')} skipped", file=TAP)
    sys.exit(failed > 0)


main()
