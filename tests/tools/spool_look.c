/* SPDX-License-Identifier: MIT */
/*
 * Open each spool that a line of standard input names (path and village), carry over
 * what there is to, and print what it holds: for each stream a line
 * `incarnation topic delivered numbers... missing ranges...`, then an empty line. For
 * tests that build a spool's folder as a power cut may leave it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port/spool.h"

enum { RANGES = 4096, TURNS = 3 };

enum { SLICE_ROWS = 8 }; /* so few that a cut finds some of them carried over */

static bool print_row(void *context, const struct spool_row *row)
{
	(void)context;
	printf(" %lld", (long long)row->seq);
	return true;
}

static bool carry_over(struct spool *spool, struct fault *fault)
{
	struct spool_loss loss;

	for (spool_loss(spool, &loss); loss.any && !loss.done; spool_loss(spool, &loss))
		if (!spool_carry_over(spool, SLICE_ROWS, fault))
			return false;
	return spool_witness(spool, fault);
}

static bool print_stream(struct spool *spool, size_t index, struct fault *fault)
{
	static struct spool_missing ranges[RANGES];
	const struct spool_stream *stream = spool_stream(spool, index);
	int64_t end;
	int64_t total;
	size_t count;

	printf("%s %s %lld", stream->incarnation, stream->topic,
	        (long long)stream->delivered_seq);
	if (!spool_read(spool, index, 0, 1000000, print_row, NULL, &end, fault)
	        || !spool_missing(spool, index, ranges, RANGES, &count, &total, fault))
		return false;
	for (size_t i = 0; i < count; i++)
		printf(" %lld-%lld", (long long)ranges[i].from_seq,
		        (long long)ranges[i].to_seq);
	printf("\n");
	return true;
}

/* As the gateway does: what was set aside before that is opened when this is done. */
static bool open_all(struct spool **out, const char *path, const char *village,
        const char *const *topics, size_t count, struct fault *fault)
{
	for (int turn = 0; turn < TURNS; turn++) {
		spool_close(out);
		if (!spool_open(out, path, village, NULL, topics, count, fault)
		        || !carry_over(*out, fault))
			return false;
		if (spool_hidden(*out) == 0)
			return true;
	}
	return fault_set(fault, FAULT_STOP, "older lives wait for ever");
}

static bool look(const char *path, const char *village, const char *const *topics,
        size_t count, struct fault *fault)
{
	struct spool *spool = NULL;
	bool ok = open_all(&spool, path, village, topics, count, fault);

	for (size_t i = 0; ok && i < spool_stream_count(spool); i++)
		ok = print_stream(spool, i, fault);
	spool_close(&spool);
	return ok;
}

int main(int argc, char **argv)
{
	char path[2048];
	char village[64];

	if (argc < 2) {
		fprintf(stderr,
		        "usage: spool_look TOPIC... <lines of path and village\n");
		return 64;
	}
	while (scanf("%2047s %63s", path, village) == 2) {
		struct fault fault = { 0 };
		const char *const *topics = (const char *const *)argv + 1;
		bool ok = look(path, village, topics, (size_t)argc - 1, &fault);

		/* As the gateway does: what is found damaged is set aside. */
		for (int turn = 0;
		        !ok && turn < TURNS && strcmp(fault.code, "damaged") == 0;
		        turn++) {
			printf("\nagain\n");
			ok = spool_set_aside(path, fault.text, &fault)
			     && look(path, village, topics, (size_t)argc - 1, &fault);
		}
		printf(ok ? "\n" : "fault %s\n\n", fault.text);
		fflush(stdout);
	}
	return 0;
}
