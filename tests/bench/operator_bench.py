#!/usr/bin/env python3
"""What an operator's command costs the clients who connect meanwhile.

  operator_bench.py BINDIR [BANS]

Runs BINDIR/breakwaterd alone, imports BANS bans (1,000,000), and asks the
policy server about a stranger again and again, from a process of its own, while
the commands of BINDIR/breakwater run. Tells how long the answers took, the time
and the memory that the bans took, and how long a start with all of them. As
root it goes before whatever else the host is busy with.
"""

import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

CONFIG = """
mode = "enforce"
user = "root"
[log]
level = "error"
[policy]
sockets = ["unix:{dir}/policy"]
[milter]
socket = ""
[control]
socket = "{dir}/control"
[enforcer]
socket = "{dir}/enforcer"
bans_per_second = 1000000
ban_burst = 10000000
[memory]
file = "{dir}/memory.db"
[protect]
mynetworks = false
ssh_peers = false
"""

REQUEST = (
    "request=smtpd_access_policy\nprotocol_state=CONNECT\nprotocol_name=SMTP\n"
    "client_address=198.51.100.9\nclient_port=1234\n"
    "server_address=192.0.2.25\nserver_port=25\nhelo_name=\nsender=\n"
    "recipient=\ninstance=\n\n"
).encode()


def address(number):
    return "%d.%d.%d.%d" % (11 + (number >> 24), number >> 16 & 255,
                            number >> 8 & 255, number & 255)


def write_bans(path, bans):
    """As `breakwater export` prints them."""
    with open(path, "w") as file:
        for i in range(bans):
            text = (f"Client {address(i)} is listed by zen.spamhaus.org "
                    f"(https://www.spamhaus.org/query/ip/{address(i)}) "
                    f"[id {i:08x}]")
            file.write(json.dumps({
                "network": address(i), "seconds_left": 86400 + i % 7200,
                "origin": "list", "zone": "zen.spamhaus.org",
                "id": f"{i:08x}", "reason": text}) + "\n")


def ask(path, stop, answers):
    """Until told to stop: the seconds that each answer took."""
    asker = socket.socket(socket.AF_UNIX)
    asker.connect(path)
    took = []
    while not stop.is_set():
        begin = time.monotonic()
        asker.sendall(REQUEST)
        answer = b""
        while not answer.endswith(b"\n\n"):
            answer += asker.recv(4096)
        took.append(time.monotonic() - begin)
        time.sleep(0.0005)
    answers.put(took)


class Daemon:
    def __init__(self, bins, directory):
        self.bins, self.dir = bins, directory
        self.begin = time.monotonic()
        self.process = subprocess.Popen(
            [bins + "/breakwaterd", "--config", directory + "/toml", "--alone"])
        while True:
            try:
                probe = socket.socket(socket.AF_UNIX)
                probe.connect(directory + "/policy")
                probe.sendall(REQUEST)
                probe.recv(4096)
                break
            except OSError:
                time.sleep(0.005)
        self.ready = time.monotonic() - self.begin

    def command(self, *words):
        return subprocess.run(
            [self.bins + "/breakwater", "--config", self.dir + "/toml", "--json",
             *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.nice(15)).stdout

    def memory(self):
        status = open(f"/proc/{self.process.pid}/status").read()
        return {key: int(re.search(key + r":\s*(\d+)", status)[1]) // 1024
                for key in ("VmRSS", "VmHWM")}

    def meanwhile(self, name, *words):
        stop, answers = multiprocessing.Event(), multiprocessing.Queue()
        asker = multiprocessing.Process(
            target=ask, args=(self.dir + "/policy", stop, answers))
        asker.start()
        time.sleep(0.3)
        begin = time.monotonic()
        if words:
            self.command(*words)
        else:
            time.sleep(2)
        length = time.monotonic() - begin
        stop.set()
        took = sorted(answers.get())
        asker.join()
        print("%-24s %7.2f s  %6d answers  p50 %6.2f  p99 %7.2f  worst %7.2f ms"
              % (name, length, len(took), took[len(took) // 2] * 1e3,
                 took[len(took) * 99 // 100] * 1e3, took[-1] * 1e3), flush=True)

    def end(self):
        os.kill(self.process.pid, signal.SIGTERM)
        self.process.wait()


def main():
    if os.geteuid() == 0:
        os.nice(-15)
    bins = sys.argv[1]
    bans = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    with tempfile.TemporaryDirectory() as directory:
        with open(directory + "/toml", "w") as file:
            file.write(CONFIG.format(dir=directory))
        write_bans(directory + "/bans", bans)
        write_bans(directory + "/some", min(bans, 20_000))
        daemon = Daemon(bins, directory)
        print("an empty start: %.3f s" % daemon.ready, daemon.memory())
        daemon.meanwhile("nothing")
        daemon.meanwhile("import of all", "import", directory + "/bans")
        print("with %d bans:" % bans, daemon.memory(), flush=True)
        time.sleep(5)  # until they are written
        daemon.meanwhile("nothing")
        daemon.meanwhile("bans", "bans", "--limit", "10000")
        daemon.meanwhile("status", "status")
        daemon.meanwhile("metrics", "metrics")
        daemon.meanwhile("ban", "ban", "203.0.113.7", "--for", "1h")
        daemon.meanwhile("unban", "unban", "203.0.113.7")
        daemon.meanwhile("explain", "explain", address(7))
        daemon.meanwhile("history", "history", address(7))
        daemon.meanwhile("allow a /32", "allow", address(9), "--for", "1h")
        daemon.meanwhile("allow a /16", "allow", "11.3.0.0/16", "--for", "1h")
        daemon.meanwhile("disallow", "disallow", "11.3.0.0/16")
        daemon.meanwhile("reload", "reload")
        daemon.meanwhile("export", "export")
        daemon.meanwhile("import of 20,000", "import", directory + "/some")
        print("before the end:", daemon.memory(), flush=True)
        daemon.end()
        daemon = Daemon(bins, directory)
        print("a start with all: %.3f s" % daemon.ready, daemon.memory())
        daemon.end()


main()
