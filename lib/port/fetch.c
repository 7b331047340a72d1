/* SPDX-License-Identifier: MIT */
#include "port/fetch.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

enum { MEDIA_BYTES = 160 };

struct fetch {
	CURL *curl;
	struct fetch_limits limits;
	struct buffer *answer; /* of the exchange at hand */
	char reason[CURL_ERROR_SIZE];
};

static size_t take_answer(char *data, size_t one, size_t size, void *context)
{
	struct fetch *fetch = context;

	(void)one; /* always 1 */
	if (fetch->answer->size + size > fetch->limits.answer_bytes)
		return 0;
	buffer_append(fetch->answer, data, size);
	return fetch->answer->failed ? 0 : size;
}

/* What holds for every exchange; libcurl keeps the connection between them. */
static bool set_limits(struct fetch *fetch)
{
	CURL *curl = fetch->curl;
	long exchange_ms = (long)fetch->limits.exchange_ms;

	return curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK
	       && curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, exchange_ms) == CURLE_OK
	       && curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https")
	                  == CURLE_OK
	       && curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK
	       && curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL)
	                  == CURLE_OK
	       && curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, fetch->reason) == CURLE_OK
	       && curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer) == CURLE_OK
	       && curl_easy_setopt(curl, CURLOPT_WRITEDATA, fetch) == CURLE_OK;
}

bool fetch_open(
        struct fetch **out, const struct fetch_limits *limits, struct fault *fault)
{
	struct fetch *fetch = calloc(1, sizeof *fetch);

	if (fetch == NULL)
		return fault_memory(fault);
	fetch->limits = *limits;
	fetch->curl = curl_easy_init();
	if (fetch->curl == NULL || !set_limits(fetch)) {
		fetch_close(&fetch);
		return fault_set(
		        fault, FAULT_STOP, "fetch: this libcurl lacks an option");
	}
	*out = fetch;
	return true;
}

void fetch_close(struct fetch **fetch)
{
	if (*fetch == NULL)
		return;
	if ((*fetch)->curl != NULL)
		curl_easy_cleanup((*fetch)->curl);
	free(*fetch);
	*fetch = NULL;
}

static struct curl_slist *headers_of(const char *media)
{
	char line[MEDIA_BYTES];

	snprintf(line, sizeof line, "Content-Type: %s", media);
	return curl_slist_append(NULL, line);
}

static bool set_body(struct fetch *fetch, struct bytes body, struct curl_slist *headers)
{
	CURL *curl = fetch->curl;

	if (body.data == NULL)
		return curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL) == CURLE_OK
		       && curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) == CURLE_OK;
	return headers != NULL
	       && curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK
	       && curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data) == CURLE_OK
	       && curl_easy_setopt(
	                  curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size)
	                  == CURLE_OK;
}

static bool fetch_fault(const struct fetch *fetch, CURLcode code, struct fault *fault)
{
	const char *reason =
	        fetch->reason[0] ? fetch->reason : curl_easy_strerror(code);

	if (fetch->answer->failed || code == CURLE_OUT_OF_MEMORY)
		return fault_memory(fault);
	if (code == CURLE_WRITE_ERROR)
		return fault_code(fault, FAULT_REJECT, "too-large",
		        "the answer is longer than %zu bytes",
		        fetch->limits.answer_bytes);
	if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
		return fault_code(
		        fault, FAULT_STOP, "usage", "is no http or https address");
	return fault_code(fault, FAULT_RETRY, "unreachable", "%s", reason);
}

bool fetch_send(struct fetch *fetch, const char *method, const char *url,
        const char *media, struct bytes body, long *out_status, struct buffer *out,
        struct fault *fault)
{
	struct curl_slist *headers = body.data ? headers_of(media) : NULL;
	CURLcode code = CURLE_OUT_OF_MEMORY;

	buffer_reset(out);
	fetch->answer = out;
	fetch->reason[0] = '\0';
	if (set_body(fetch, body, headers)
	        && curl_easy_setopt(fetch->curl, CURLOPT_CUSTOMREQUEST, method)
	                   == CURLE_OK
	        && curl_easy_setopt(fetch->curl, CURLOPT_URL, url) == CURLE_OK)
		code = curl_easy_perform(fetch->curl);
	curl_slist_free_all(headers);
	if (code == CURLE_OK)
		code = curl_easy_getinfo(
		        fetch->curl, CURLINFO_RESPONSE_CODE, out_status);
	return code == CURLE_OK || fetch_fault(fetch, code, fault)
	       || fault_wrap(fault, "%s %.200s", method, url);
}

void fetch_append_part(struct buffer *out, const char *text)
{
	for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
		if (isalnum(*at) || strchr("-._~", *at) != NULL)
			buffer_append_byte(out, *at);
		else
			buffer_format(out, "%%%02X", *at);
}
