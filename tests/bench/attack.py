#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What strangers do to a listener, paced so that the machine stays the gateway's: attack.py PORT. Slow senders, connections that are
opened and left, noise, pipelined posts. Runs until it is ended."""
import os
import socket
import sys
import threading
import time

PORT = int(sys.argv[1])
POST = (b"POST /v1/payments HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")


def connect():
    return socket.create_connection(("127.0.0.1", PORT), timeout=5)


def send_slowly():
    """A header's byte each half second, on twenty connections."""
    while True:
        ends = [connect() for _ in range(20)]
        for at in range(40):
            for end in ends:
                end.sendall(POST[at:at + 1])
            time.sleep(0.5)


def flood():
    """A hundred connections a second, each left open for half a second."""
    ends = []
    while True:
        ends.append(connect())
        if len(ends) > 50:
            ends.pop(0).close()
        time.sleep(0.01)


def make_noise():
    while True:
        with connect() as end:
            end.sendall(os.urandom(300) + b"\r\n\r\n")
        time.sleep(0.02)


def pipeline():
    """Fifty posts in one piece, none of them right."""
    while True:
        with connect() as end:
            end.sendall(POST * 50)
            end.recv(65536)
        time.sleep(0.2)


def go_on(work):
    """A connection that the gateway ends is what it should do."""
    while True:
        try:
            work()
        except OSError:
            time.sleep(0.05)


for one in (send_slowly, flood, make_noise, pipeline):
    threading.Thread(target=go_on, args=(one,), daemon=True).start()
print("ready", flush=True)
while True:
    time.sleep(60)
