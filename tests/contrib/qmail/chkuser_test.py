#!/usr/bin/env python3
"""contrib/qmail/breakwater-chkuser between a client and a small qmail-smtpd.

    chkuser_test.py PROGRAM
"""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

PROGRAM = sys.argv.pop(1)

# Says what CHKUSER 2.0.9 does, and ends at QUIT or at the client's end.
SMTPD = """
import sys
out = lambda text: (sys.stdout.write(text + "\\r\\n"), sys.stdout.flush())
out("220 mail.test ESMTP")
for line in sys.stdin:
    word = line.strip().upper()
    if word == "QUIT":
        out("221 mail.test")
        sys.exit(7)
    elif "NOBODY@" in word:
        out("550 5.1.1 sorry, no mailbox here by that name (chkuser)")
    elif "OLD@" in word:
        out("511 sorry, no mailbox here by that name (#5.1.1 - chkuser)")
    elif "RELAY@" in word:
        out("553 5.7.1 sorry, that domain isn't in my list of allowed "
            "rcpthosts (chkuser)")
    elif "OTHER@" in word:
        out("550 5.1.1 no mailbox here, says another program")
    else:
        out("250 ok")
"""


class ReportSocket:
    """Answers every line, and keeps them."""

    def __init__(self, path):
        self.lines = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rb") as stream:
            for line in stream:
                self.lines.append(line.decode().rstrip("\n"))
                connection.sendall(b"ok counted 1/10\n")


class ChkuserTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.directory.name, "report.sock")

    def tearDown(self):
        self.directory.cleanup()

    def talk(self, commands, **environment):
        """What the client reads, and the exit code."""
        environment.setdefault("TCPREMOTEIP", "192.0.2.7")
        done = subprocess.run(
            [sys.executable, PROGRAM, sys.executable, "-c", SMTPD],
            input="".join(c + "\r\n" for c in commands).encode(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
            env={**os.environ, "BREAKWATER_REPORT": self.path, **environment})
        return done.stdout.decode(), done.returncode

    def test_a_refused_recipient_is_reported_and_the_rest_passed_on(self):
        reports = ReportSocket(self.path)
        text, code = self.talk(["RCPT TO:<nobody@mail.test>",
                                "RCPT TO:<good@mail.test>", "QUIT"])
        self.assertEqual(
            text, "220 mail.test ESMTP\r\n550 5.1.1 sorry, no mailbox here by "
            "that name (chkuser)\r\n250 ok\r\n221 mail.test\r\n")
        self.assertEqual(code, 7)
        reports.thread.join(10)
        self.assertEqual(reports.lines, [
            "report 192.0.2.7 unknown-recipient - 550 5.1.1 sorry, no mailbox "
            "here by that name (chkuser)"])

    def test_each_of_chkusers_replies_has_its_kind(self):
        reports = ReportSocket(self.path)
        self.talk(["RCPT TO:<old@mail.test>", "RCPT TO:<relay@other.test>",
                   "RCPT TO:<other@mail.test>", "QUIT"],
                  TCPREMOTEIP="::ffff:192.0.2.8")
        reports.thread.join(10)
        self.assertEqual([line.split()[1:3] for line in reports.lines],
                         [["192.0.2.8", "unknown-recipient"],
                          ["192.0.2.8", "relay"]])

    def test_mail_flows_without_the_daemon(self):
        text, code = self.talk(["RCPT TO:<nobody@mail.test>",
                                "RCPT TO:<nobody@mail.test>", "QUIT"])
        self.assertEqual(text.count("550 5.1.1"), 2)
        self.assertEqual(code, 7)

    def test_the_clients_end_is_passed_on(self):
        text, code = self.talk(["RCPT TO:<good@mail.test>"])
        self.assertEqual(text, "220 mail.test ESMTP\r\n250 ok\r\n")
        self.assertEqual(code, 0)

    def test_a_user_who_may_relay_is_not_reported(self):
        reports = ReportSocket(self.path)
        self.talk(["RCPT TO:<nobody@mail.test>", "QUIT"], RELAYCLIENT="")
        self.assertEqual(reports.lines, [])


if __name__ == "__main__":
    unittest.main()
