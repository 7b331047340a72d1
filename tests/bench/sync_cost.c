/* SPDX-License-Identifier: MIT */
/*
 * The bare cost of a commit: one write of 4 KiB to a file written before and fdatasync.
 * And of two, one file after the other, as an answer waits for the log and its witness.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

enum { BLOCK = 4096, BLOCKS = 256, ROUNDS = 1000 };

static int64_t spans[ROUNDS];

static int by_size(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a;
	int64_t right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

static int open_written(const char *folder, const char *name)
{
	static char block[BLOCK];
	char path[4096];
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (int i = 0; i < BLOCKS; i++)
		assert(pwrite(fd, block, BLOCK, (off_t)i * BLOCK) == BLOCK);
	assert(fsync(fd) == 0);
	return fd;
}

static void commit(int fd, int number)
{
	static char block[BLOCK];

	assert(pwrite(fd, block, BLOCK, (off_t)(number % BLOCKS) * BLOCK) == BLOCK);
	assert(fdatasync(fd) == 0);
}

/* Commit to so many of the files, each round, and sort what the rounds took. */
static void measure(const int *files, int count)
{
	for (int i = 0; i < ROUNDS; i++) {
		int64_t began = clock_monotonic_us();

		for (int j = 0; j < count; j++)
			commit(files[j], i);
		spans[i] = clock_monotonic_us() - began;
	}
	qsort(spans, ROUNDS, sizeof *spans, by_size);
}

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : ".";
	int files[2] = { open_written(folder, "sync.log"),
		open_written(folder, "sync.head") };

	measure(files, 1);
	printf("{\"p50_us\": %lld, \"p99_us\": %lld, ", (long long)spans[ROUNDS / 2],
	        (long long)spans[ROUNDS * 99 / 100]);
	measure(files, 2);
	printf("\"both_p50_us\": %lld, \"both_p99_us\": %lld}\n",
	        (long long)spans[ROUNDS / 2], (long long)spans[ROUNDS * 99 / 100]);
	return 0;
}
