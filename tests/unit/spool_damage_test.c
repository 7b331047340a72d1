/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "port/spool.h"

enum { EVENTS = 20 };

static const char *const topics[] = { "desa.requests", "desa.payments" };
static const char village[] = "35.09.01.2001";

struct place {
	char folder[64];
	char path[96];
	struct spool *spool;
	char incarnation[UUID_TEXT_BYTES]; /* of the first life */
};

static int remove_one(
        const char *path, const struct stat *info, int flag, struct FTW *ftw)
{
	(void)info;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void open_spool(struct place *place)
{
	struct fault fault;

	must(spool_open(&place->spool, place->path, village, NULL, topics, 2, &fault),
	        &fault);
}

/* An event whose headers say its number, so that a mistaken one is seen. */
static void append(struct place *place, int64_t seq)
{
	static const uint8_t value[] = "\0\0\0\0\1ab\0yz";
	char id[UUID_TEXT_BYTES];
	char headers[400];
	struct spool_draft draft = {
		.recorded_at_us = 1000, .value = { value, 10 }, .seam = 7
	};
	struct spool_receipt receipt;
	struct fault fault;

	snprintf(headers, sizeof headers, "number %lld %0300d", (long long)seq, 0);
	draft.headers = bytes_of(headers);
	identity_new(id);
	assert_true(identity_parse(bytes_of(id), draft.event_id));
	must(spool_begin(place->spool, &fault), &fault);
	must(spool_append(place->spool, &draft, &receipt, &fault), &fault);
	must(spool_commit(place->spool, &fault), &fault);
	must(spool_witness(place->spool, &fault), &fault);
	assert_int_equal(receipt.seq, seq);
}

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof *place);

	strcpy(place->folder, "/tmp/kentongan-damage-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->path, sizeof place->path, "%s/spool.db", place->folder);
	open_spool(place);
	strcpy(place->incarnation, spool_incarnation(place->spool));
	for (int64_t seq = 1; seq <= EVENTS; seq++)
		append(place, seq);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	spool_close(&place->spool);
	nftw(place->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(place);
	return 0;
}

static void file_of(const struct place *place, const char *suffix, char out[128])
{
	snprintf(out, 128, "%.95s%s", place->path, suffix);
}

static void copy_file(const char *from, const char *to)
{
	char buffer[65536];
	FILE *in = fopen(from, "r");
	FILE *out = fopen(to, "w");
	size_t size;

	assert_non_null(in);
	assert_non_null(out);
	while ((size = fread(buffer, 1, sizeof buffer, in)) > 0)
		assert_int_equal(fwrite(buffer, 1, size, out), size);
	fclose(in);
	fclose(out);
}

/* The spool's files as a crash leaves them: copied while it is open. */
static void crash(struct place *place)
{
	static const char *const parts[] = { "", "-wal", ".head" };
	char from[128];
	char to[128];

	for (int i = 0; i < 3; i++) {
		file_of(place, parts[i], from);
		snprintf(to, sizeof to, "%.100s/copy%d", place->folder, i);
		copy_file(from, to);
	}
	spool_close(&place->spool);
	for (int i = 0; i < 3; i++) {
		file_of(place, parts[i], from);
		snprintf(to, sizeof to, "%.100s/copy%d", place->folder, i);
		assert_int_equal(rename(to, from), 0);
	}
}

struct seen {
	int64_t last;
	int count;
	bool exact;
};

static bool look(void *context, const struct spool_row *row)
{
	struct seen *seen = context;
	char expected[32];
	int size = snprintf(
	        expected, sizeof expected, "number %lld ", (long long)row->seq);

	seen->exact = seen->exact && row->seq > seen->last
	              && row->headers.size > (size_t)size
	              && memcmp(row->headers.data, expected, (size_t)size) == 0;
	seen->last = row->seq;
	seen->count++;
	return true;
}

/* All events of the first life that the spool still shows, each exact and in order. */
static bool read_first_life(
        const struct place *place, struct seen *seen, struct fault *fault)
{
	*seen = (struct seen){ .exact = true };
	for (size_t i = 0; i < spool_stream_count(place->spool); i++) {
		const struct spool_stream *stream = spool_stream(place->spool, i);
		int64_t end;

		if (strcmp(stream->incarnation, place->incarnation) == 0
		        && strcmp(stream->topic, topics[0]) == 0
		        && !spool_read(
		                place->spool, i, 0, 1000, look, seen, &end, fault))
			return false;
	}
	return true;
}

/* Where the first life's events are now. */
static size_t first_life(const struct place *place)
{
	size_t index = 0;

	while (strcmp(spool_stream(place->spool, index)->incarnation,
	               place->incarnation)
	                != 0
	        || strcmp(spool_stream(place->spool, index)->topic, topics[0]) != 0)
		index++;
	return index;
}

/* How many numbers of the first life are named as missing. */
static bool named_missing(const struct place *place, int64_t *all, struct fault *fault)
{
	struct spool_missing range;

	*all = 0;
	for (size_t i = 0; i < spool_stream_count(place->spool); i++) {
		const struct spool_stream *stream = spool_stream(place->spool, i);
		int64_t total;
		size_t count;

		if (!spool_missing(place->spool, i, &range, 1, &count, &total, fault))
			return false;
		if (strcmp(stream->incarnation, place->incarnation) == 0)
			*all += total;
	}
	return true;
}

static void carry_over(struct place *place, struct spool_loss *loss)
{
	struct fault fault;

	for (spool_loss(place->spool, loss); loss->any && !loss->done;
	        spool_loss(place->spool, loss))
		must(spool_carry_over(place->spool, 3, &fault), &fault);
}

static void check(struct place *place, int carried, int missing)
{
	struct spool_loss loss;
	struct seen seen;
	struct fault fault;
	int64_t named;

	carry_over(place, &loss);
	assert_true(loss.any);
	assert_int_equal(loss.carried, carried);
	assert_int_equal(loss.missing, missing);
	must(named_missing(place, &named, &fault), &fault);
	assert_int_equal(named, missing);
	must(read_first_life(place, &seen, &fault), &fault);
	assert_true(seen.exact);
	assert_int_equal(seen.count, carried);
	assert_string_not_equal(spool_incarnation(place->spool), place->incarnation);
	append(place, 1);
}

static void a_sound_spool_is_left_alone(void **state)
{
	struct place *place = *state;
	struct spool_loss loss;

	crash(place);
	open_spool(place);
	spool_loss(place->spool, &loss);
	assert_false(loss.any);
	assert_string_equal(spool_incarnation(place->spool), place->incarnation);
	append(place, EVENTS + 1);
}

static void an_old_copy_is_noticed(void **state)
{
	struct place *place = *state;
	char aside[128];

	spool_close(&place->spool);
	snprintf(aside, sizeof aside, "%.100s/old", place->folder);
	copy_file(place->path, aside);
	open_spool(place);
	for (int64_t seq = EVENTS + 1; seq <= EVENTS + 3; seq++)
		append(place, seq);
	spool_close(&place->spool);
	assert_int_equal(rename(aside, place->path), 0);
	open_spool(place);
	check(place, EVENTS, 3);
}

/* The same number, given to one event here and to another on a second machine. */
static void a_copy_that_went_its_own_way_is_noticed(void **state)
{
	struct place *place = *state;
	char head[128];
	char old[128];
	char old_head[128];
	char other_head[128];

	file_of(place, ".head", head);
	snprintf(old, sizeof old, "%.100s/old", place->folder);
	snprintf(old_head, sizeof old_head, "%.100s/old-head", place->folder);
	snprintf(other_head, sizeof other_head, "%.100s/other-head", place->folder);
	spool_close(&place->spool);
	copy_file(place->path, old);
	copy_file(head, old_head);
	open_spool(place);
	append(place, EVENTS + 1);
	spool_close(&place->spool);
	copy_file(head, other_head);
	copy_file(old, place->path);
	copy_file(old_head, head);
	open_spool(place);
	append(place, EVENTS + 1);
	spool_close(&place->spool);
	copy_file(other_head, head);
	open_spool(place);
	check(place, EVENTS + 1, 0);
}

static void a_lost_tail_of_the_log_is_noticed(void **state)
{
	struct place *place = *state;
	struct spool_loss loss;
	struct stat info;
	struct seen seen;
	struct fault fault;
	char log[128];

	crash(place);
	file_of(place, "-wal", log);
	assert_int_equal(stat(log, &info), 0);
	assert_int_equal(truncate(log, info.st_size / 2), 0);
	open_spool(place);
	carry_over(place, &loss);
	assert_true(loss.any);
	assert_true(loss.missing > 0);
	assert_int_equal(loss.carried + loss.missing, EVENTS);
	must(read_first_life(place, &seen, &fault), &fault);
	assert_true(seen.exact);
	assert_int_equal(seen.count, loss.carried);
}

static void overwrite(const char *path, long at, int value, int count)
{
	FILE *file = fopen(path, "r+");

	assert_non_null(file);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	while (count-- > 0)
		fputc(value, file);
	assert_int_equal(fclose(file), 0);
}

/* What was answered for is in the log alone, and each row has a digest of its own. */
static void bad_bytes_in_the_log_cost_what_they_held(void **state)
{
	struct place *place = *state;
	struct stat info;
	char log[128];

	crash(place);
	file_of(place, "-wal", log);
	assert_int_equal(stat(log, &info), 0);
	overwrite(log, info.st_size / 10, 'x', 3);
	overwrite(log, info.st_size / 2, 'x', 3);
	open_spool(place);
	check(place, EVENTS, 0);
}

static void a_bad_header_of_the_log_costs_nothing(void **state)
{
	struct place *place = *state;
	char log[128];

	crash(place);
	file_of(place, "-wal", log);
	overwrite(log, 0, 'x', 32);
	open_spool(place);
	check(place, EVENTS, 0);
}

static void a_log_whose_file_is_gone_is_read(void **state)
{
	struct place *place = *state;

	crash(place);
	assert_int_equal(unlink(place->path), 0);
	open_spool(place);
	check(place, EVENTS, 0);
}

static void a_log_whose_file_is_empty_is_read(void **state)
{
	struct place *place = *state;

	crash(place);
	assert_int_equal(truncate(place->path, 0), 0);
	open_spool(place);
	check(place, EVENTS, 0);
}

/* A folder, or a link to nothing, in the place of each; nothing of it is deleted. */
static void what_is_no_file_is_set_aside(void **state)
{
	static const char *const parts[] = { "", "-wal", ".head" };
	static const int carried[] = { EVENTS, 0, EVENTS };
	struct place *place = *state;
	struct spool_loss loss;
	struct stat info;
	char path[128];
	char found[512];

	for (int round = 0; round < 6; round++) {
		crash(place);
		file_of(place, parts[round / 2], path);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(round % 2 == 0 ? mkdir(path, 0700)
		                                : symlink("/nowhere/at/all", path),
		        0);
		open_spool(place);
		check(place, carried[round / 2], EVENTS - carried[round / 2]);
		spool_loss(place->spool, &loss);
		snprintf(found, sizeof found, "%.60s/%.255s%s.found", place->folder,
		        loss.file, parts[round / 2]);
		assert_int_equal(lstat(found, &info), 0);
		assert_false(S_ISREG(info.st_mode));
		tear_down(state);
		set_up(state);
		place = *state;
	}
}

/* As it was found, for a person. */
static void a_bad_log_stays_beside_what_was_set_aside(void **state)
{
	struct place *place = *state;
	struct spool_loss loss;
	struct stat before;
	struct stat after;
	char log[128];
	char found[512];

	crash(place);
	file_of(place, "-wal", log);
	overwrite(log, 100, 'x', 3);
	assert_int_equal(stat(log, &before), 0);
	open_spool(place);
	spool_loss(place->spool, &loss);
	assert_true(loss.any);
	snprintf(found, sizeof found, "%.60s/%.255s-wal.found", place->folder,
	        loss.file);
	assert_int_equal(stat(found, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
}

/* As a keeper does: what is older than this life is sent, and marked. */
static void deliver_earlier(struct place *place, int *sent)
{
	struct fault fault;

	must(spool_begin(place->spool, &fault), &fault);
	for (size_t i = 2; i < spool_stream_count(place->spool); i++) {
		const struct spool_stream *stream = spool_stream(place->spool, i);

		*sent += (int)(stream->last_seq - stream->delivered_seq);
		spool_delivered(place->spool, i, stream->last_seq, 0);
	}
	must(spool_commit(place->spool, &fault), &fault);
	must(spool_witness(place->spool, &fault), &fault);
}

/* Each of them with an event that no broker has, and each with its witness lost. */
static void more_lives_than_lanes_are_all_carried_over(void **state)
{
	enum { LIVES = 66 };
	struct place *place = *state;
	struct spool_loss loss;
	char head[128];
	int sent = 0;
	int turns = 0;

	file_of(place, ".head", head);
	for (int life = 0; life < LIVES; life++) {
		spool_close(&place->spool);
		assert_int_equal(unlink(head), 0);
		open_spool(place);
		carry_over(place, &loss);
		append(place, 1);
	}
	do {
		deliver_earlier(place, &sent);
		spool_close(&place->spool);
		open_spool(place);
		carry_over(place, &loss);
		assert_true(++turns < LIVES);
	} while (spool_hidden(place->spool) > 0);
	deliver_earlier(place, &sent);
	assert_int_equal(sent, EVENTS + LIVES - 1);
}

static void a_lost_witness_begins_a_new_life(void **state)
{
	struct place *place = *state;
	char head[128];

	spool_close(&place->spool);
	file_of(place, ".head", head);
	assert_int_equal(unlink(head), 0);
	open_spool(place);
	check(place, EVENTS, 0);
}

static void a_file_that_is_no_database_is_set_aside(void **state)
{
	struct place *place = *state;
	struct spool_loss loss;
	FILE *file;

	spool_close(&place->spool);
	file = fopen(place->path, "w");
	for (int i = 0; i < 10000; i++)
		fputs("noise ", file);
	fclose(file);
	open_spool(place);
	carry_over(place, &loss);
	assert_true(loss.any);
	append(place, 1);
}

/* Change the last of these bytes where they stand in the file. */
static void spoil_bytes(
        const struct place *place, const void *bytes, size_t size, int last)
{
	static char whole[4 << 20];
	FILE *file = fopen(place->path, "r+");
	size_t all = fread(whole, 1, sizeof whole, file);
	char *at = memmem(whole, all, bytes, size);

	assert_non_null(at);
	fseek(file, at - whole + (long)size - 1, SEEK_SET);
	fputc(last, file);
	fclose(file);
}

static void spoil(const struct place *place, const char *words)
{
	spoil_bytes(place, words, strlen(words), 'N');
}

static void a_changed_row_is_never_shown(void **state)
{
	struct place *place = *state;
	struct fault fault;
	struct seen seen;

	spool_close(&place->spool);
	spoil(place, "number 7 ");
	open_spool(place);
	assert_false(read_first_life(place, &seen, &fault));
	assert_string_equal(fault.code, "damaged");
	assert_int_equal(seen.count, 6);
	spool_close(&place->spool);
	must(spool_set_aside(place->path, "number 7 is damaged", &fault), &fault);
	open_spool(place);
	check(place, EVENTS - 1, 1);
}

/* Its rows as they were stored before docs/decisions/0018. */
static void make_old(const struct place *place)
{
	static const char sql[] =
	        "ALTER TABLE event RENAME TO fresh;"
	        "CREATE TABLE event (stream INTEGER NOT NULL, seq INTEGER NOT NULL, "
	        "event_id BLOB NOT NULL, id_high INTEGER NOT NULL, recorded_at INTEGER "
	        "NOT NULL, headers BLOB NOT NULL, value BLOB NOT NULL, digest BLOB, "
	        "alias BLOB, alias_high INTEGER, reason TEXT, sum BLOB NOT NULL, "
	        "PRIMARY KEY (stream, seq)) STRICT, WITHOUT ROWID;"
	        "INSERT INTO event SELECT stream, seq, event_id, id_high, recorded_at, "
	        "headers, value, digest, alias, alias_high, reason, sum FROM fresh;"
	        "DROP TABLE fresh;";
	sqlite3 *db;

	assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void a_spool_of_the_old_form_is_carried_over(void **state)
{
	struct place *place = *state;

	spool_close(&place->spool);
	make_old(place);
	open_spool(place);
	check(place, EVENTS, 0);
}

/* The number itself: 18 reads as 0 or as 64, and stands where 18 stood. */
static void a_number_that_leads_back_or_ahead_ends_nothing(void **state)
{
	static const uint8_t place_of_18[] = { 0x84, 0x80, 0x80, 0x80, 0x80, 0x80,
		18 }; /* 1 << 44 | 18, as SQLite writes a key */
	static const uint8_t wrong[] = { 0, 64 };
	struct place *place = *state;
	struct fault fault;

	for (size_t i = 0; i < sizeof wrong; i++) {
		spool_close(&place->spool);
		spoil_bytes(place, place_of_18, sizeof place_of_18, wrong[i]);
		must(spool_set_aside(place->path, "a test", &fault), &fault);
		open_spool(place);
		check(place, EVENTS - 1, 1);
		tear_down(state);
		set_up(state);
		place = *state;
	}
}

static void carrying_over_goes_on_after_a_crash(void **state)
{
	struct place *place = *state;
	struct spool_loss loss;
	struct fault fault;
	struct seen seen;
	int64_t named;

	spool_close(&place->spool);
	must(spool_set_aside(place->path, "a test", &fault), &fault);
	open_spool(place);
	while (spool_stream(place->spool, first_life(place))->last_seq == 0)
		must(spool_carry_over(place->spool, 5, &fault), &fault);
	spool_close(&place->spool);
	open_spool(place);
	carry_over(place, &loss);
	assert_int_equal(loss.carried, EVENTS - 5);
	assert_int_equal(loss.missing, 0);
	must(named_missing(place, &named, &fault), &fault);
	assert_int_equal(named, 0);
	must(read_first_life(place, &seen, &fault), &fault);
	assert_true(seen.exact);
	assert_int_equal(seen.count, EVENTS);
}

static void what_was_carried_over_is_delivered_and_stays_known(void **state)
{
	struct place *place = *state;
	struct spool_loss loss;
	struct fault fault;
	size_t old;

	spool_close(&place->spool);
	must(spool_set_aside(place->path, "a test", &fault), &fault);
	open_spool(place);
	carry_over(place, &loss);
	old = first_life(place);
	must(spool_begin(place->spool, &fault), &fault);
	spool_delivered(place->spool, old, EVENTS, 7);
	must(spool_commit(place->spool, &fault), &fault);
	spool_close(&place->spool);
	open_spool(place);
	old = first_life(place);
	spool_loss(place->spool, &loss);
	assert_false(loss.any);
	assert_int_equal(spool_stream(place->spool, old)->delivered_seq, EVENTS);
	append(place, 1);
}

/* A bit turned, a block of zeros, or the tail cut off. */
static void damage(const char *path, unsigned *seed)
{
	static const uint8_t zeros[512];
	struct stat info;
	off_t at;
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &info), 0);
	at = rand_r(seed) % info.st_size;
	switch (rand_r(seed) % 4) {
	case 0:
		assert_int_equal(ftruncate(fd, at), 0);
		break;
	case 1:
		at -= at % 512;
		assert_int_equal(pwrite(fd, zeros, sizeof zeros, at), sizeof zeros);
		break;
	default: {
		uint8_t byte;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= (uint8_t)(1 << rand_r(seed) % 8);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	}
	close(fd);
}

/* Some of it was delivered, some of it stands in the file and not in the log. */
static void live_a_little(struct place *place, unsigned *seed)
{
	struct fault fault;

	if (rand_r(seed) % 2 == 0) {
		must(spool_begin(place->spool, &fault), &fault);
		spool_delivered(place->spool, 0, rand_r(seed) % EVENTS, 7);
		must(spool_commit(place->spool, &fault), &fault);
	}
	if (rand_r(seed) % 2 == 0) {
		spool_close(&place->spool);
		open_spool(place);
	}
}

/*
 * Any damage: it opens, shows what is exact, and each number that was given is there,
 * was delivered, or is named as missing.
 */
static void round_of_damage(struct place *place, unsigned *seed)
{
	static const char *const parts[] = { "", "-wal", ".head" };
	struct spool_loss loss;
	struct fault fault;
	struct seen seen;
	char path[128];
	int64_t delivered;
	int64_t named;
	bool lost = false;

	live_a_little(place, seed);
	delivered = spool_stream(place->spool, 0)->delivered_seq;
	crash(place);
	file_of(place, parts[rand_r(seed) % 3], path);
	if (access(path, F_OK) == 0)
		damage(path, seed);
	for (int turn = 0;; turn++) {
		assert_true(turn < 3);
		open_spool(place);
		carry_over(place, &loss);
		lost = lost || loss.any;
		if (read_first_life(place, &seen, &fault)
		        && named_missing(place, &named, &fault))
			break;
		assert_string_equal(fault.code, "damaged");
		spool_close(&place->spool);
		must(spool_set_aside(place->path, fault.text, &fault), &fault);
		lost = true;
	}
	assert_true(seen.exact);
	assert_true(seen.count >= EVENTS - delivered || lost);
	assert_true(seen.count + named >= EVENTS - delivered);
	assert_true(seen.count + named <= EVENTS);
}

static void any_damage_is_survived_and_told(void **state)
{
	const char *wanted = getenv("KENTONGAN_DAMAGE_ROUNDS");
	const char *other = getenv("KENTONGAN_DAMAGE_SEED");
	unsigned seed = other ? (unsigned)atoi(other) : 20261124;
	int rounds = wanted ? atoi(wanted) : 150;

	for (int round = 0; round < rounds; round++) {
		round_of_damage(*state, &seed);
		tear_down(state);
		set_up(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		        a_sound_spool_is_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        an_old_copy_is_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_copy_that_went_its_own_way_is_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_lost_tail_of_the_log_is_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        bad_bytes_in_the_log_cost_what_they_held, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_bad_header_of_the_log_costs_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_log_whose_file_is_gone_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_log_whose_file_is_empty_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        what_is_no_file_is_set_aside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_bad_log_stays_beside_what_was_set_aside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_lost_witness_begins_a_new_life, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        more_lives_than_lanes_are_all_carried_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_file_that_is_no_database_is_set_aside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_changed_row_is_never_shown, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_spool_of_the_old_form_is_carried_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_number_that_leads_back_or_ahead_ends_nothing, set_up,
		        tear_down),
		cmocka_unit_test_setup_teardown(
		        carrying_over_goes_on_after_a_crash, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        what_was_carried_over_is_delivered_and_stays_known, set_up,
		        tear_down),
		cmocka_unit_test_setup_teardown(
		        any_damage_is_survived_and_told, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
