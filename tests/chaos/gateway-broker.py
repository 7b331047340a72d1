# SPDX-License-Identifier: MIT
"""What a broker does to a gateway under load, which comes in by a certificate: stopped for 45 s, killed and started, its disk full, the
topic made anew at once and after 10 s, a topic that takes too little, a right that is taken away, a certificate that ended, its folder
put back to an older copy. Each: what was answered is
on the topic in the end, no number is missing, and the state is told in words."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time

import gateways
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, AlterConfigOpType, ConfigEntry,
                                   ConfigResource, ResourcePatternType, ResourceType)
from doors import Authority, add_tls_door
from hub.base import Trouble, wait_until

ACL = {"authorizer_class_name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "allow_everyone_if_no_acl_found": "true"}


def wait_flowing(scene):
    """What is taken after this moment is delivered."""
    last = scene.numbers()["last_seq"]
    scene.wait_moving(lambda: scene.numbers()["delivered_seq"] >= last, "it flows again")


def wait_noticed(scene, told):
    scene.wait_moving(lambda: log_of(scene).count("made anew") > told, "it is noticed")


def wait_words(scene, words):
    wait_until(lambda: words in scene.status()["link"]["reason"], 90, f"the status says {words}")


def log_of(scene):
    with open(scene.gateway.process.log, encoding="utf-8") as log:
        return log.read()


def admin(scene):
    """One for the whole proof: a client that is forgotten while it is asked never answers."""
    if not hasattr(scene, "admin"):
        scene.admin = AdminClient({"bootstrap.servers": scene.kafka.brokers, "log_level": 0})
    return scene.admin


def stop(scene, seconds=45):
    scene.kafka.process.send(signal.SIGSTOP)
    before = scene.answered()
    time.sleep(seconds)
    scene.kafka.process.send(signal.SIGCONT)
    assert scene.answered() > before, "it accepts meanwhile"


def kill(scene):
    scene.kafka.stop(signal.SIGKILL)
    wait_until(lambda: scene.status()["link"]["state"] == "down", 60, "the status says down")
    scene.kafka.start()
    scene.kafka.wait()


def fill(scene):
    filler = os.path.join(scene.kafka.folder, "data", "filler")
    disk = os.statvfs(os.path.dirname(filler))
    with open(filler, "wb") as file, contextlib.suppress(OSError):  # the broker takes room meanwhile
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize)
    wait_until(lambda: not scene.kafka.process.is_running(), 90, "the broker gives up")
    os.remove(filler)
    scene.kafka.start()
    scene.kafka.wait()


def make_anew(scene, pause):
    told = log_of(scene).count("made anew")
    admin(scene).delete_topics([gateways.TOPIC])[gateways.TOPIC].result(60)
    time.sleep(pause)

    def made():
        try:
            scene.make_topics()
            return True
        except Trouble:
            return False
    wait_until(made, 60, "the topic is there again")
    wait_noticed(scene, told)


def anew(scene):
    make_anew(scene, 0)


def anew_late(scene):
    make_anew(scene, 10)


def set_limit(scene, size):
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource("TOPIC", gateways.TOPIC, incremental_configs=[entry])
    admin(scene).incremental_alter_configs([resource])[resource].result(60)


def small(scene):
    set_limit(scene, 200)
    wait_words(scene, "MSG_SIZE")
    assert scene.status()["link"]["state"] == "blocked"
    set_limit(scene, 1048576)


def rule(principal, operation, permission):
    return AclBinding(ResourceType.TOPIC, gateways.TOPIC, ResourcePatternType.LITERAL, principal, "*", operation, permission)


def right(scene):
    rules = [rule("User:*", AclOperation.ALL, AclPermissionType.ALLOW), rule("User:desa", AclOperation.WRITE, AclPermissionType.DENY)]
    for done in admin(scene).create_acls(rules).values():
        done.result(60)
    wait_words(scene, "AUTHORIZATION")
    assert scene.status()["link"]["state"] == "blocked"
    deny = rules[1]
    wanted = AclBindingFilter(deny.restype, deny.name, deny.resource_pattern_type, deny.principal, deny.host, deny.operation,
                              deny.permission_type)
    for done in admin(scene).delete_acls([wanted]).values():
        done.result(60)


def certificate(scene):
    """The one that is in place ends; a new one is found by itself."""
    scene.authority.issue("desa", day=-20)
    scene.gateway.process.send(signal.SIGHUP)
    wait_words(scene, "our certificate (kafka.ssl.certificate.location) ended on")
    assert scene.status()["link"]["state"] == "blocked"
    scene.authority.issue("desa")


def copy_folder(source, target):
    """A broker's index files are mostly holes, which must stay holes on a small disk."""
    subprocess.run(["cp", "-a", "--sparse=always", source + "/.", target], check=True)


def put_back(scene):
    """As after a power cut of a broker that does not sync: its folder is an older one."""
    data, copy = os.path.join(scene.kafka.folder, "data"), os.path.join(scene.folder, "older")
    scene.kafka.stop(signal.SIGTERM)
    os.makedirs(copy)
    copy_folder(data, copy)
    scene.kafka.start()
    scene.kafka.wait()
    wait_flowing(scene)
    told = log_of(scene).count("made anew")
    scene.kafka.stop(signal.SIGKILL)
    for name in os.listdir(data):
        path = os.path.join(data, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    copy_folder(copy, data)
    shutil.rmtree(copy)
    scene.kafka.start()
    scene.kafka.wait()
    wait_noticed(scene, told)


KINDS = [kill, small, anew, right, certificate, put_back, fill, anew_late, stop]


def mount(folder):
    """The broker on a small disk of its own, where we may mount one."""
    data = os.path.join(folder, "kafka", "data")
    os.makedirs(data)
    return subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "kentongan-test", data], capture_output=True, check=False).returncode == 0


def hurt(scene, kind):
    try:
        kind(scene)
    except Trouble:
        print(json.dumps(scene.status()))
        raise


def prove(folder, rounds, chance, kinds):
    mounted = mount(folder)
    authority = Authority(os.path.join(folder, "authority"))
    scene = gateways.Scene(folder, ACL, blocked_retry_ms=500, orders_ms=1000, **authority.settings("desa"))
    scene.authority = authority
    scene.gateway.settings["brokers"] = add_tls_door(scene.kafka, authority)
    kinds = [kind for kind in kinds if mounted or kind is not fill]
    done = {}
    try:
        scene.begin()
        for number in range(rounds):
            kind = kinds[number % len(kinds)]
            began = time.monotonic()
            time.sleep(chance.uniform(0.2, 1.5))
            hurt(scene, kind)
            print(f"{kind.__name__}: {scene.status()['link']}", flush=True)
            wait_flowing(scene)
            done.setdefault(kind.__name__, []).append(time.monotonic() - began)
        distrusts = log_of(scene).count("do not believe each other")
        receipts, records, wrong = scene.end(ordered=not {anew, anew_late, put_back} & {kinds[i % len(kinds)] for i in range(rounds)})
    finally:
        scene.close()
        if mounted:
            gateways.unmount(os.path.join(folder, "kafka", "data"))
    expected = len(done.get("certificate", []))
    if distrusts != expected:
        wrong.append(f"{distrusts} times not believed, and {expected} certificates that ended")
    words = ", ".join(f"{len(times)} {name} ({max(times):.0f} s)" for name, times in done.items())
    skipped = "" if mounted else ", SKIPPED fill (no right to mount)"
    return f"{words}{skipped}; {receipts} answered, {records} records on the topic", wrong


if __name__ == "__main__":
    gateways.main("gateway-broker", __doc__, 18, prove, KINDS)
