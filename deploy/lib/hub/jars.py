# SPDX-License-Identifier: MIT
"""What comes from Maven Central: Kafka, and the charts of the monitor's page. Each is pinned by its pom."""
import os
import shutil

from hub.base import PROJECT, run, step


def fetch(name, proof):
    """Copy what deploy/NAME/pom.xml asks for into build/NAME, once; proof is a file that is there afterwards."""
    folder = os.path.join(PROJECT, "build", name)
    if os.path.exists(os.path.join(folder, proof)):
        return
    fresh = folder + ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    with step(f"{name}: fetching its jars (once)"):
        run(["mvn", "-q", "-B", "-f", os.path.join(PROJECT, "deploy", name, "pom.xml"), "dependency:copy-dependencies",
             "-DincludeScope=runtime", f"-DoutputDirectory={fresh}"])
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(fresh, folder)


def fetch_kafka():
    fetch("kafka", "kafka_2.13-4.3.1.jar")


def fetch_page():
    fetch("page", "uplot-1.6.30.jar")
