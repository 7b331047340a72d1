# SPDX-License-Identifier: MIT
"""What watches the monitor's stream as a page does."""
import json
import subprocess


def stream(monitor, seconds, last=None):
    """(id, event, data) blocks that a watcher gets within some seconds."""
    headers = ["-H", f"Last-Event-ID: {last}"] if last else []
    done = subprocess.run(["curl", "-sN", "--max-time", str(seconds), *headers, monitor.url + "/events"],
                          capture_output=True, text=True, check=False)
    blocks = []
    for block in done.stdout.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in lines:
            blocks.append((lines.get("id"), lines["event"], json.loads(lines["data"])))
    return blocks
