/* SPDX-License-Identifier: MIT */
#include "asked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/replay_words.h"

enum { MEMORY_BYTES = 4 * 1024 * 1024 };

static const char *word_of(struct http_request *request, const char *name)
{
	const char *value = http_query(request, name);

	return value ? value : "";
}

/* In an address a plus is a space; in a time and a span it is a plus again. */
static const char *plus_of(
        struct http_request *request, const char *name, char out[ASKED_BYTES])
{
	snprintf(out, ASKED_BYTES, "%s", word_of(request, name));
	for (char *at = out; *at != '\0'; at++)
		*at = *at == ' ' ? '+' : *at;
	return out;
}

/* A word that is kept whole or refused. */
static bool take_word(char *out, size_t room, struct http_request *request,
        const char *name, struct fault *fault)
{
	const char *word = word_of(request, name);

	snprintf(out, room, "%s", word);
	return (strlen(word) < room && bytes_is_text(bytes_of(word)))
	       || fault_code(fault, FAULT_REJECT, "word",
	               "%s: is too long, or no text in UTF-8", name);
}

/* Topics with commas between; none: all. */
static bool take_topics(struct replay_wish *wish, struct http_request *request,
        const struct catalog *catalog, struct fault *fault)
{
	char words[4 * ASKED_BYTES];
	char *rest = words;
	char *word;

	if (!take_word(words, sizeof words, request, "topic", fault))
		return false;
	for (size_t i = 0; words[0] == '\0' && i < REPLAY_TOPICS; i++)
		wish->topics[i] = i < catalog->topic_count;
	while (words[0] != '\0' && (word = strsep(&rest, ",")) != NULL)
		if (!replay_parse_topic(word, catalog, wish, fault))
			return false;
	return true;
}

bool asked_take_span(struct replay_wish *wish, struct http_request *request,
        const struct catalog *catalog, struct fault *fault)
{
	char from[ASKED_BYTES];
	char to[ASKED_BYTES];

	if (http_query_repeats(request))
		return fault_code(fault, FAULT_REJECT, "twice",
		        "a name stands twice; several topics go with commas between");
	return replay_parse_times(plus_of(request, "from", from),
	               plus_of(request, "to", to), wish, fault)
	       && take_topics(wish, request, catalog, fault);
}

static bool take_limit(struct asked *asked, const char *text, struct fault *fault)
{
	return text[0] == '\0'
	       || (bytes_number(text, &asked->limit) && asked->limit > 0)
	       || fault_code(fault, FAULT_REJECT, "limit",
	               "limit: expected a number of events");
}

bool asked_take(struct asked *asked, struct http_request *request,
        const struct conf *conf, const struct catalog *catalog, struct fault *fault)
{
	struct replay_wish *wish = &asked->wish;
	const char *speed = word_of(request, "speed");

	if (!take_word(asked->village, sizeof asked->village, request, "village", fault)
	        || !take_word(
	                asked->case_id, sizeof asked->case_id, request, "case", fault)
	        || !take_word(asked->service, sizeof asked->service, request, "service",
	                fault))
		return false;
	wish->case_id = asked->case_id;
	wish->service = asked->service;
	wish->district = asked->district;
	wish->bytes_per_second = conf_number(conf, "replay_rate");
	wish->memory_bytes = MEMORY_BYTES;
	return asked_take_span(wish, request, catalog, fault)
	       && replay_parse_speed(speed[0] ? speed : "1", &wish->speed, fault)
	       && replay_parse_span(
	               word_of(request, "max_gap"), &wish->max_gap_us, fault)
	       && replay_parse_village(asked->village, wish, fault)
	       && replay_parse_district(word_of(request, "district"),
	               conf_text(conf, "villages"), asked->district, fault)
	       && replay_parse_cursor(word_of(request, "after"), wish, fault)
	       && take_limit(asked, word_of(request, "limit"), fault);
}

void asked_refuse(struct http_request *request, const struct fault *fault)
{
	static const struct {
		const char *code;
		const char *detail_id;
	} words[] = {
		{ "from", "Waktu mulai tidak dikenal; contoh: 2026-11-21T08:00." },
		{ "to", "Waktu akhir tidak dikenal, atau tidak sesudah waktu mulai; "
		        "contoh: 2026-11-21T10:00 atau +2h." },
		{ "span", "Lama waktu tidak dikenal; contoh: 5s, 90m, 2h." },
		{ "speed", "Kecepatan tidak dikenal; contoh: 10 atau max." },
		{ "topic", "Jenis catatan ini tidak ada." },
		{ "village", "Kode desa tidak dikenal; contoh: 35.09.01.2001." },
		{ "district", "Kecamatan ini tidak ada." },
		{ "after", "Tempat melanjutkan tidak dikenal; mulai lagi dari awal." },
		{ "word", "Yang dicari terlalu panjang, atau bukan teks." },
		{ "twice", "Satu nama ditulis dua kali; beberapa jenis catatan "
		           "dipisah dengan koma." },
		{ "limit", "Jumlah catatan harus berupa angka." },
		{ "long", "Rentang waktu terlalu panjang; paling lama 48 jam." },
	};
	struct http_problem problem = { fault->kind == FAULT_REJECT ? 400 : 503,
		"replay", "No replay", fault->text,
		"Kafka tidak menjawab; coba lagi sebentar lagi." };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(words[i].code, fault->code) == 0)
			problem.detail_id = words[i].detail_id;
	http_refuse(request, &problem, NULL);
}
