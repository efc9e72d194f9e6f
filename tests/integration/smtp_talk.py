#!/usr/bin/python3
"""An SMTP client for what the harness's own does not speak: TLS, and servers
that sit on standard input.

    smtp_talk.py tls FROM TO            through STARTTLS, over TCP
    smtp_talk.py pipe COMMAND...        on two pipes
    smtp_talk.py socketpair COMMAND...  on a unix socket

Standard input holds the commands; each is said when the one before has been
answered, and the lines after DATA go together, with the "." that ends them. The
replies are printed. Ends with 0 once the server has ended the session.
"""

import socket
import ssl
import subprocess
import sys

PATIENCE = 5  # seconds


class Talk:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def reply(self):
        while line := self.reader.readline():
            sys.stdout.write(line.decode(errors="replace"))
            if line[3:4] != b"-":
                return line[:3]
        return b""

    def say(self, text):
        self.writer.write(text.replace("\n", "\r\n").encode())
        self.writer.flush()
        return self.reply()


def over_socket(sock):
    sock.settimeout(PATIENCE)
    return Talk(sock.makefile("rb"), sock.makefile("wb"))


def tls(source, target):
    sock = socket.create_connection((target, 25), PATIENCE, (source, 0))
    plain = over_socket(sock)
    plain.reply()
    plain.say("EHLO client.test\n")
    assert plain.say("STARTTLS\n") == b"220"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return over_socket(context.wrap_socket(sock))


def pipe(*command):
    server = subprocess.Popen(command, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    talk = Talk(server.stdout, server.stdin)
    talk.reply()
    return talk


def socketpair(*command):
    ours, theirs = socket.socketpair()
    with theirs:
        subprocess.Popen(command, stdin=theirs, stdout=theirs)
    talk = over_socket(ours)
    talk.reply()
    return talk


def main():
    kind = {"tls": tls, "pipe": pipe, "socketpair": socketpair}[sys.argv[1]]
    talk = kind(*sys.argv[2:])
    lines = sys.stdin.read().splitlines(keepends=True)
    try:
        while lines:
            command = lines.pop(0)
            if talk.say(command) == b"354":
                end = lines.index(".\n") + 1
                talk.say("".join(lines[:end]))
                del lines[:end]
        while talk.reply():
            pass
    except (ConnectionError, ssl.SSLError):
        pass  # a reset is an end as well


main()
