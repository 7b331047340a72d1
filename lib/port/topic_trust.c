/* SPDX-License-Identifier: MIT */
/*
 * The hub's alerts say little: 46 is every certificate that it does not take. So our
 * own certificate's days are looked at first. Sources: RFC 8446, 6.2 (alerts).
 */
#include "port/topic_trust.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>

#include <librdkafka/rdkafka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/clock.h"

static const char ours[] = "ssl.certificate.location";

static X509 *read_certificate(const char *path)
{
	FILE *file = fopen(path, "r");
	X509 *certificate = NULL;

	if (file == NULL)
		return NULL;
	certificate = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	return certificate;
}

/* "2026-11-20" */
static void write_day(const ASN1_TIME *time, char day[CLOCK_TEXT_BYTES])
{
	struct tm parts = { 0 };

	ASN1_TIME_to_tm(time, &parts);
	clock_format((int64_t)timegm(&parts) * 1000000, day);
	day[10] = '\0';
}

/* X509_cmp_time(): -1 where the time has passed, 1 where it has not come. */
static void say_what_is_wrong(const X509 *certificate, char *out, size_t room)
{
	const ASN1_TIME *begin = X509_get0_notBefore(certificate);
	const ASN1_TIME *end = X509_get0_notAfter(certificate);
	char day[CLOCK_TEXT_BYTES];

	if (X509_cmp_time(end, NULL) < 0) {
		write_day(end, day);
		snprintf(out, room,
		        "our certificate (kafka.%s) ended on %s: ask for a new one",
		        ours, day);
	} else if (X509_cmp_time(begin, NULL) > 0) {
		write_day(begin, day);
		snprintf(out, room,
		        "our certificate (kafka.%s) begins on %s: is this computer's "
		        "clock right?",
		        ours, day);
	} else {
		snprintf(out, room,
		        "the hub does not take our certificate (kafka.%s): it trusts "
		        "another authority, or has withdrawn it",
		        ours);
	}
}

static void say_refused(const struct conf *conf, char *out, size_t room)
{
	const char *path = conf_member_of(conf, "kafka", ours);
	X509 *certificate = path != NULL ? read_certificate(path) : NULL;

	if (certificate != NULL)
		say_what_is_wrong(certificate, out, room);
	else
		snprintf(out, room, "the hub wants a certificate of us; kafka.%s %s",
		        ours, path != NULL ? "cannot be read" : "is not set");
	X509_free(certificate);
}

/* A broker that ends in the midst of a handshake is only down. */
bool topic_trust_words(
        const struct conf *conf, int error, const char *reason, char *out, size_t room)
{
	if (strstr(reason, "SSL alert number") != NULL)
		say_refused(conf, out, room);
	else if (strstr(reason, "certificate verify failed") != NULL)
		snprintf(out, room,
		        "the hub's certificate is not believed here: another "
		        "authority signed it (kafka.ssl.ca.location), it has another "
		        "name, or this computer's clock is wrong");
	else if (error == RD_KAFKA_RESP_ERR__AUTHENTICATION)
		snprintf(out, room, "the hub does not take our name or password");
	else
		return false;
	return true;
}

/* Its files */

static bool untrusted(struct fault *fault, const char *setting, const char *what)
{
	return fault_code(fault, FAULT_RETRY, "trust", "kafka.%s %s", setting, what);
}

static int give_password(char *out, int room, int writing, void *conf)
{
	const char *password = conf_member_of(conf, "kafka", "ssl.key.password");
	int size = password != NULL ? (int)strlen(password) : 0;

	(void)writing;
	if (size > room)
		return -1;
	memcpy(out, password != NULL ? password : "", (size_t)size);
	return size;
}

static EVP_PKEY *read_key(const struct conf *conf, const char *path)
{
	FILE *file = fopen(path, "r");
	EVP_PKEY *key = NULL;

	if (file == NULL)
		return NULL;
	key = PEM_read_PrivateKey(file, NULL, give_password, (void *)conf);
	fclose(file);
	return key;
}

static bool look_at_key(
        const struct conf *conf, const X509 *certificate, struct fault *fault)
{
	static const char setting[] = "ssl.key.location";
	const char *path = conf_member_of(conf, "kafka", setting);
	EVP_PKEY *key = path != NULL ? read_key(conf, path) : NULL;
	bool ok = true;

	if (path != NULL && key == NULL)
		ok = untrusted(fault, setting, "cannot be read as a key in PEM");
	else if (key != NULL && certificate != NULL
	         && X509_check_private_key(certificate, key) != 1)
		ok = untrusted(fault, setting, "is not the certificate's key");
	EVP_PKEY_free(key);
	return ok;
}

static bool look_at_authority(const struct conf *conf, struct fault *fault)
{
	static const char setting[] = "ssl.ca.location";
	const char *path = conf_member_of(conf, "kafka", setting);
	struct stat info;
	X509 *certificate;

	if (path == NULL || strcmp(path, "probe") == 0
	        || (stat(path, &info) == 0 && S_ISDIR(info.st_mode)))
		return true;
	certificate = read_certificate(path);
	if (certificate == NULL)
		return untrusted(fault, setting, "cannot be read as PEM");
	X509_free(certificate);
	return true;
}

bool topic_trust_files(const struct conf *conf, struct fault *fault)
{
	const char *path = conf_member_of(conf, "kafka", ours);
	X509 *certificate = path != NULL ? read_certificate(path) : NULL;
	bool ok = path == NULL || certificate != NULL
	          || untrusted(fault, ours, "cannot be read as PEM");

	ok = ok && look_at_key(conf, certificate, fault)
	     && look_at_authority(conf, fault);
	X509_free(certificate);
	ERR_clear_error();
	return ok;
}
