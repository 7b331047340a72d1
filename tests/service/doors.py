# SPDX-License-Identifier: MIT
"""Further doors of a broker, before its first start: one that is known by another address, one with mutual TLS; and who may pass it."""
import os
import shutil
import socket
import subprocess
import threading
import uuid

from hub.base import free_port, read, write


def add_door(kafka, name, protocol, port, known_as):
    """Listen on a port; clients are told the port known_as, where a relay may stand."""
    text = read(kafka.conf)
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    protocols = lines.get("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT")
    write(kafka.conf, text + f"listeners={lines['listeners']},{name}://127.0.0.1:{port}\n"
          f"advertised.listeners={lines['advertised.listeners']},{name}://127.0.0.1:{known_as}\n"
          "inter.broker.listener.name=PLAINTEXT\n"
          f"listener.security.protocol.map={protocols},{name}:{protocol}\n")


def add_tls_door(kafka, authority):
    """Its address. Who passes is the principal User:<name of the certificate>."""
    port = free_port()
    key, certificate = authority.issue("hub")
    store = os.path.join(authority.folder, "hub.pem")
    write(store, read(key) + read(certificate), 0o600)
    add_door(kafka, "TLS", "SSL", port, port)
    with open(kafka.conf, "a", encoding="utf-8") as conf:
        conf.write(f"ssl.keystore.type=PEM\nssl.keystore.location={store}\nssl.truststore.type=PEM\n"
                   f"ssl.truststore.location={authority.certificate}\nssl.client.auth=required\n"
                   "ssl.principal.mapping.rules=RULE:^CN=([^,]+)$/$1/\n")
    return f"127.0.0.1:{port}"


class Censor:
    """A relay to a broker's door that passes on only the requests whose API keys are allowed; None: all of them."""

    def __init__(self, port, door):
        self.port, self.door, self.allowed, self.connections = port, door, None, []
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.admit, daemon=True).start()

    def admit(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.door))
            self.connections += [near, far]
            threading.Thread(target=self.ask, args=(near, far), daemon=True).start()
            threading.Thread(target=self.answer, args=(far, near), daemon=True).start()

    def allow(self, keys):
        """From now on; who waits for what was swallowed is cut off."""
        self.allowed, old, self.connections = keys, self.connections, []
        for connection in old:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def ask(self, near, far):
        """Requests begin with their size and their API key: Kafka protocol guide, "Protocol structure"."""
        try:
            with near, far, near.makefile("rb") as requests:
                while len(size := requests.read(4)) == 4:
                    request = requests.read(int.from_bytes(size, "big"))
                    if self.allowed is None or int.from_bytes(request[:2], "big") in self.allowed:
                        far.sendall(size + request)
        except OSError:
            return

    def answer(self, far, near):
        try:
            while data := far.recv(65536):
                near.sendall(data)
        except OSError:
            return

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # else accept() holds it open
        self.listener.close()


class Authority:
    """Signs certificates; a day other than today's is libfaketime's."""

    def __init__(self, folder, name="kabupaten"):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.key, self.certificate = self.path(f"{name}.key"), self.path(f"{name}.crt")
        self.make_key(self.key)
        self.openssl("req", "-x509", "-new", "-key", self.key, "-subj", f"/CN={name}", "-days", "30", "-out", self.certificate)

    @classmethod
    def again(cls, authority, folder):
        """The same authority, whose certificates go into another folder."""
        found = cls.__new__(cls)
        found.folder, found.key, found.certificate = folder, authority.key, os.path.join(folder, "ca.crt")
        os.makedirs(folder, exist_ok=True)
        shutil.copy(authority.certificate, found.certificate)
        return found

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *arguments, day=0):
        clock = ["faketime", "-f", f"{day:+d}d"] if day else []
        subprocess.run([*clock, "openssl", *arguments], check=True, capture_output=True)

    def make_key(self, path):
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
        os.chmod(path, 0o600)

    def issue(self, name, day=0):
        """(key, certificate) of ten days that begin so many days from now; issued again, the key stays."""
        key, certificate, request, words = (self.path(f"{name}.{end}") for end in ("key", "crt", "csr", "ext"))
        if not os.path.exists(key):
            self.make_key(key)
        write(words, "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
        self.openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        self.openssl("x509", "-req", "-set_serial", str(uuid.uuid4().int >> 8), "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-days", "10",
                     "-extfile", words, "-out", certificate, day=day)
        return key, certificate

    def settings(self, name, day=0):
        """What a gateway's file says, to come in by a certificate of that name."""
        key, certificate = self.issue(name, day)
        return {"kafka.security.protocol": "ssl", "kafka.ssl.ca.location": self.certificate, "kafka.ssl.key.location": key,
                "kafka.ssl.certificate.location": certificate}
