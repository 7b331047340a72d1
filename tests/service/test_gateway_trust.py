# SPDX-License-Identifier: MIT
"""Whom the hub lets in: certificates that ended, that nobody knows, that are not whole; a right that was taken away. It is told in
words, nothing is lost, and it goes on when it is mended, by itself or on a signal."""
import os
import shutil
import signal

import pytest
from browser import browse, wait_text  # noqa: F401
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, ResourcePatternType, ResourceType)
from conftest import payment_body, post, request_body
from doors import Authority
from hub.base import wait_until, write
from test_gateway_broker import sequence, status, waiting

NAME = "desa-sidomulyo"


@pytest.fixture
def authority(world, servers):
    """The hub's, with a folder for this test's certificates."""
    return Authority.again(servers.authority, os.path.join(world.folder, "certificates"))


def start(world, servers, settings, **more):
    world.expects("do not believe each other|link down|delivery failed|the broker refuses")
    return world.gateway(brokers=servers.tls_brokers, **{"blocked_retry_ms": 500, **settings, **more})


def wait_blocked(gateway, words):
    told = wait_until(lambda: status(gateway)["link"]["state"] == "blocked" and status(gateway), 60, "blocked")
    assert words in told["link"]["reason"] and told["accepting"], told
    return told


def wait_delivered(gateway):
    wait_until(lambda: status(gateway)["pending"] == 0, 60, "delivered")
    wait_until(lambda: status(gateway)["link"] == {**status(gateway)["link"], "state": "up", "reason": ""}, 30, "all is well")


def replace(settings, fresh):
    """As somebody who brings new files: the key and its certificate, under the names that the settings have."""
    for name in ("kafka.ssl.key.location", "kafka.ssl.certificate.location", "kafka.ssl.ca.location"):
        shutil.copy(fresh[name], settings[name] + ".new")
        os.replace(settings[name] + ".new", settings[name])


def test_a_village_comes_in_by_its_certificate(world, servers, authority):
    gateway = start(world, servers, authority.settings(NAME))
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_delivered(gateway)
    assert sequence(world, "payments") == [1]


def test_a_certificate_that_ended_is_told_and_a_new_one_is_found(world, servers, authority):
    settings = authority.settings(NAME, day=-20)
    gateway = start(world, servers, settings)
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    told = wait_blocked(gateway, "our certificate (kafka.ssl.certificate.location) ended on 20")
    assert told["pending"] == 1
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    replace(settings, authority.settings("baru"))
    wait_delivered(gateway)
    assert sequence(world, "payments") == [1, 2]
    assert world.logs().count("do not believe each other") == 1, "it is told once"


def test_a_certificate_of_a_stranger_is_told_and_mended_by_a_signal(world, servers, authority, browse):  # noqa: F811
    stranger = Authority(os.path.join(world.folder, "lain"), "lain")
    settings = {**stranger.settings(NAME), "kafka.ssl.ca.location": authority.certificate}
    gateway = start(world, servers, settings, blocked_retry_ms=600000)
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_blocked(gateway, "the hub does not take our certificate")
    page = browse(gateway.url + "/")
    wait_text(page, "#link", "Pengiriman ditahan oleh kabupaten; 1 catatan menunggu", 30)
    wait_text(page, "#reason", "bacakan: the hub does not take our certificate", 10)
    gateway.settings.update(authority.settings(NAME))
    gateway.prepare()
    gateway.process.send(signal.SIGHUP)
    wait_delivered(gateway)
    assert "kafka is what the file says now" in world.logs() and sequence(world, "payments") == [1]


def test_a_hub_that_is_not_believed_gets_nothing(world, servers, authority):
    stranger = Authority(os.path.join(world.folder, "lain"), "lain")
    settings = {**authority.settings(NAME), "kafka.ssl.ca.location": stranger.certificate}
    gateway = start(world, servers, settings)
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_blocked(gateway, "the hub's certificate is not believed here")
    assert sequence(world, "payments") == []
    shutil.copy(authority.certificate, stranger.certificate)
    wait_delivered(gateway)


def test_a_file_that_is_not_whole_stops_no_counter(world, servers, authority):
    settings = authority.settings(NAME)
    whole = settings["kafka.ssl.certificate.location"]
    os.rename(whole, whole + ".whole")
    write(whole, "-----BEGIN CERTIFICATE-----\nMIIB\n")
    gateway = start(world, servers, settings)
    assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_blocked(gateway, "kafka.ssl.certificate.location cannot be read as PEM")
    os.replace(whole + ".whole", whole)
    wait_delivered(gateway)
    os.remove(whole)
    gateway.process.send(signal.SIGHUP)
    wait_blocked(gateway, "kafka.ssl.certificate.location cannot be read as PEM")
    assert post(gateway, "/v1/payments", payment_body())[0] == 201


def deny(world, servers, topic):
    return AclBinding(ResourceType.TOPIC, world.topic(topic), ResourcePatternType.LITERAL, f"User:{NAME}", "*", AclOperation.WRITE,
                      AclPermissionType.DENY)


def allow_all(world, topic):
    return AclBinding(ResourceType.TOPIC, world.topic(topic), ResourcePatternType.LITERAL, "User:*", "*", AclOperation.ALL,
                      AclPermissionType.ALLOW)


def test_a_right_that_is_taken_away_blocks_its_topic_only(world, servers, authority):
    rules = [allow_all(world, "payments"), deny(world, servers, "payments")]
    for done in world.admin.create_acls(rules).values():
        done.result(60)
    gateway = start(world, servers, authority.settings(NAME))
    for _ in range(3):
        assert post(gateway, "/v1/payments", payment_body())[0] == 201
    wait_blocked(gateway, f"{world.topic('payments')}: Broker: Topic authorization failed (TOPIC_AUTHORIZATION_FAILED)")
    assert post(gateway, "/v1/requests", request_body())[0] == 201
    wait_until(lambda: waiting(gateway, world.topic("requests")) == 0, 60, "the request left")
    assert waiting(gateway, world.topic("payments")) == 3
    rule = rules[1]
    wanted = AclBindingFilter(rule.restype, rule.name, rule.resource_pattern_type, rule.principal, rule.host, rule.operation,
                              rule.permission_type)
    for done in world.admin.delete_acls([wanted]).values():
        assert len(done.result(60)) == 1
    wait_delivered(gateway)
    assert sequence(world, "payments") == [1, 2, 3]
