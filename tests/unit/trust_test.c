/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <unistd.h>

#include "port/topic_trust.h"

enum { TRANSPORT = -195, SSL = -181, AUTHENTICATION = -169 };

static const struct conf_key keys[] = { CONF_ANY(kafka, "anything"), CONF_END };

static struct conf *read_conf(const char *text)
{
	char path[] = "/tmp/kentongan-trust-XXXXXX";
	int fd = mkstemp(path);
	struct conf *conf;
	struct fault fault;

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	must(conf_read(&conf, NULL, keys, path, &fault), &fault);
	remove(path);
	return conf;
}

/* As librdkafka 2.0.2 says it. */
static void only_distrust_is_told_as_distrust(void **state)
{
	static const struct {
		int error;
		const char *reason;
		const char *words; /* NULL: the broker is only down */
	} cases[] = {
		{ TRANSPORT, "Connect to ipv4#127.0.0.1:1 failed: Connection refused",
		        NULL },
		{ TRANSPORT, "Disconnected (after 0ms in state SSL_HANDSHAKE)", NULL },
		{ SSL,
		        "SSL handshake failed: error:0A000126:SSL routines::unexpected "
		        "eof while reading",
		        NULL },
		{ SSL,
		        "SSL handshake failed: error:0A000086:SSL "
		        "routines::certificate verify failed: broker certificate "
		        "could not be verified",
		        "the hub's certificate is not believed here" },
		{ TRANSPORT,
		        "Receive failed: error:0A000416:SSL routines::sslv3 alert "
		        "certificate unknown: SSL alert number 46",
		        "the hub wants a certificate of us; "
		        "kafka.ssl.certificate.location is not set" },
		{ AUTHENTICATION, "SASL authentication error",
		        "the hub does not take our name or password" },
	};
	struct conf *conf = read_conf("");

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char words[200] = "as it was";

		assert_int_equal(topic_trust_words(conf, cases[i].error,
		                         cases[i].reason, words, sizeof words),
		        cases[i].words != NULL);
		assert_ptr_equal(
		        strstr(words, cases[i].words ? cases[i].words : "as"), words);
	}
	conf_close(&conf);
}

static void a_file_that_cannot_be_used_is_named_and_waited_for(void **state)
{
	static const char *const settings[] = { "ssl.certificate.location",
		"ssl.key.location", "ssl.ca.location" };

	(void)state;
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
		char text[100];
		struct conf *conf;
		struct fault fault;

		snprintf(text, sizeof text, "kafka.%s = /dev/null\n", settings[i]);
		conf = read_conf(text);
		assert_false(topic_trust_files(conf, &fault));
		assert_int_equal(fault.kind, FAULT_RETRY);
		assert_string_equal(fault.code, "trust");
		assert_non_null(strstr(fault.text, settings[i]));
		conf_close(&conf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_distrust_is_told_as_distrust),
		cmocka_unit_test(a_file_that_cannot_be_used_is_named_and_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
