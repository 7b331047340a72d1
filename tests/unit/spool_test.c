/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "port/spool.h"

static const char *const topics[] = { "desa.requests", "desa.payments" };

struct place {
	char folder[64];
	char path[96];
	struct spool *spool;
};

static int remove_one(
        const char *path, const struct stat *info, int flag, struct FTW *ftw)
{
	(void)info;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof *place);
	struct fault fault;

	strcpy(place->folder, "/tmp/kentongan-spool-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->path, sizeof place->path, "%s/spool.db", place->folder);
	must(spool_open(&place->spool, place->path, "35.09.01.2001", NULL, topics, 2,
	             &fault),
	        &fault);
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

static void reopen(struct place *place)
{
	struct fault fault;

	spool_close(&place->spool);
	must(spool_open(&place->spool, place->path, "35.09.01.2001", NULL, topics, 2,
	             &fault),
	        &fault);
}

static struct spool_draft draft_of(size_t stream, const char *key)
{
	static const uint8_t value[] = "\0\0\0\0\1ab\0yz";
	struct spool_draft draft = { .stream = stream,
		.recorded_at_us = 1000,
		.headers = bytes_of("h"),
		.value = { value, 10 },
		.seam = 7,
		.repeatable = key != NULL };
	char id[UUID_TEXT_BYTES];

	if (key != NULL)
		identity_derive(bytes_of("v"), bytes_of(key), id);
	else
		identity_new(id);
	assert_true(identity_parse(bytes_of(id), draft.event_id));
	return draft;
}

static struct spool_receipt append(struct spool *spool, size_t stream, const char *key)
{
	struct spool_draft draft = draft_of(stream, key);
	struct spool_receipt receipt;
	struct fault fault;

	must(spool_begin(spool, &fault), &fault);
	must(spool_append(spool, &draft, &receipt, &fault), &fault);
	must(spool_commit(spool, &fault), &fault);
	return receipt;
}

static void numbers_keep_growing_after_reopening(void **state)
{
	struct place *place = *state;
	char incarnation[UUID_TEXT_BYTES];

	strcpy(incarnation, spool_incarnation(place->spool));
	assert_int_equal(append(place->spool, 0, NULL).seq, 1);
	assert_int_equal(append(place->spool, 0, NULL).seq, 2);
	assert_int_equal(append(place->spool, 1, NULL).seq, 1);
	reopen(place);
	assert_int_equal(append(place->spool, 0, NULL).seq, 3);
	assert_string_equal(spool_incarnation(place->spool), incarnation);
}

static void an_anchor_is_kept_until_the_topic_is_another(void **state)
{
	struct place *place = *state;
	const struct spool_anchor anchor = { 41, 1700000000000, true };
	const struct spool_anchor *kept;
	struct fault fault;

	append(place->spool, 0, NULL);
	assert_int_equal(
	        spool_stream(place->spool, 0)->anchor.offset, SPOOL_OFFSET_UNKNOWN);
	must(spool_begin(place->spool, &fault), &fault);
	spool_anchor(place->spool, 0, &anchor);
	must(spool_commit(place->spool, &fault), &fault);
	reopen(place);
	kept = &spool_stream(place->spool, 0)->anchor;
	assert_int_equal(kept->offset, 41);
	assert_int_equal(kept->appended_at_ms, 1700000000000);
	assert_true(kept->seen);
	must(spool_begin(place->spool, &fault), &fault);
	must(spool_rewind(place->spool, 0, &fault), &fault);
	must(spool_commit(place->spool, &fault), &fault);
	reopen(place);
	assert_int_equal(
	        spool_stream(place->spool, 0)->anchor.offset, SPOOL_OFFSET_UNKNOWN);
}

static void reopen_on(struct place *place, const char *machine)
{
	struct fault fault;

	spool_close(&place->spool);
	must(spool_open(&place->spool, place->path, "35.09.01.2001", machine, topics, 2,
	             &fault),
	        &fault);
}

static void a_spool_that_wakes_up_elsewhere_begins_a_new_life(void **state)
{
	struct place *place = *state;
	char first[UUID_TEXT_BYTES];

	reopen_on(place, "");
	strcpy(first, spool_incarnation(place->spool));
	reopen_on(place, "aa:01 aa:02");
	assert_string_equal(spool_incarnation(place->spool), first);
	append(place->spool, 0, "k");
	reopen_on(place, "bb:01 aa:02");
	assert_false(spool_is_copy(place->spool));
	assert_string_equal(spool_incarnation(place->spool), first);
	reopen_on(place, "bb:01");
	assert_true(spool_is_copy(place->spool));
	assert_string_not_equal(spool_incarnation(place->spool), first);
	assert_int_equal(append(place->spool, 0, NULL).seq, 1);
	assert_string_equal(append(place->spool, 0, "k").incarnation, first);
	assert_int_equal(spool_stream_count(place->spool), 4);
	assert_string_equal(spool_stream(place->spool, 3)->incarnation, first);
	reopen_on(place, "bb:01");
	assert_false(spool_is_copy(place->spool));
}

static void a_copy_of_the_file_begins_a_new_life(void **state)
{
	struct place *place = *state;
	char first[UUID_TEXT_BYTES];
	char command[512];

	reopen_on(place, "aa:01");
	strcpy(first, spool_incarnation(place->spool));
	append(place->spool, 0, NULL);
	spool_close(&place->spool);
	snprintf(command, sizeof command, "cp %s %s.copy && mv %s.copy %s", place->path,
	        place->path, place->path, place->path);
	assert_int_equal(system(command), 0);
	reopen_on(place, "aa:01");
	assert_string_not_equal(spool_incarnation(place->spool), first);
	assert_int_equal(append(place->spool, 0, NULL).seq, 1);
}

/* Until nobody could take a change of the second witness for its last writing. */
static void wait_for_its_time_to_pass(const struct place *place)
{
	static const struct timespec moment = { .tv_nsec = 10000000 };
	char path[128];
	struct stat head;

	snprintf(path, sizeof path, "%s.head", place->path);
	do {
		nanosleep(&moment, NULL);
		assert_int_equal(stat(path, &head), 0);
	} while (clock_wall_us() < (int64_t)head.st_ctim.tv_sec * 1000000
	                                   + head.st_ctim.tv_nsec / 1000 + 200000);
}

static void copy_files(const char *from, const char *to)
{
	char command[300];

	snprintf(command, sizeof command, "mkdir -p %s && cp -a %s/spool.db* %s", to,
	        from, to);
	assert_int_equal(system(command), 0);
}

/* Number 2 was another event's; what was accepted before the copy is still there. */
static void an_older_copy_that_is_put_back_begins_a_new_life(void **state)
{
	struct place *place = *state;
	char first[UUID_TEXT_BYTES];
	char old[80];

	reopen_on(place, "aa:01");
	strcpy(first, spool_incarnation(place->spool));
	append(place->spool, 0, "k");
	spool_close(&place->spool);
	snprintf(old, sizeof old, "%s/old", place->folder);
	copy_files(place->folder, old);
	reopen_on(place, "aa:01");
	assert_int_equal(append(place->spool, 0, NULL).seq, 2);
	spool_close(&place->spool);
	wait_for_its_time_to_pass(place);
	copy_files(old, place->folder);
	reopen_on(place, "aa:01");
	assert_true(spool_is_put_back(place->spool));
	assert_string_not_equal(spool_incarnation(place->spool), first);
	assert_int_equal(append(place->spool, 0, NULL).seq, 1);
	assert_string_equal(append(place->spool, 0, "k").incarnation, first);
	assert_int_equal(spool_stream(place->spool, 2)->last_seq, 1);
	reopen_on(place, "aa:01");
	assert_false(spool_is_put_back(place->spool));
}

static void a_spool_that_lies_and_is_opened_keeps_its_life(void **state)
{
	struct place *place = *state;
	char first[UUID_TEXT_BYTES];
	pid_t child;
	int status;

	reopen_on(place, "aa:01");
	strcpy(first, spool_incarnation(place->spool));
	append(place->spool, 0, NULL);
	spool_close(&place->spool);
	wait_for_its_time_to_pass(place);
	child = fork();
	if (child == 0) {
		struct fault fault;

		reopen_on(place, "aa:01");
		append(place->spool, 0, NULL);
		must(spool_witness(place->spool, &fault), &fault);
		raise(SIGKILL);
	}
	waitpid(child, &status, 0);
	wait_for_its_time_to_pass(place);
	reopen_on(place, "aa:01");
	assert_false(spool_is_put_back(place->spool));
	assert_string_equal(spool_incarnation(place->spool), first);
	assert_int_equal(append(place->spool, 0, NULL).seq, 3);
}

/* Each slot of it ends where the time stands now. */
static void a_witness_of_the_release_before_is_believed(void **state)
{
	enum { SLOT_BYTES = 4096, SLOT_USED = 3896 };
	static const char zeros[SLOT_BYTES - SLOT_USED];
	struct place *place = *state;
	char first[UUID_TEXT_BYTES];
	char path[128];
	int fd;

	reopen_on(place, "aa:01");
	strcpy(first, spool_incarnation(place->spool));
	append(place->spool, 0, NULL);
	spool_close(&place->spool);
	wait_for_its_time_to_pass(place);
	snprintf(path, sizeof path, "%s.head", place->path);
	fd = open(path, O_WRONLY);
	for (int slot = 0; slot < 2; slot++)
		assert_int_equal(
		        pwrite(fd, zeros, sizeof zeros, slot * SLOT_BYTES + SLOT_USED),
		        sizeof zeros);
	close(fd);
	reopen_on(place, "aa:01");
	assert_false(spool_is_put_back(place->spool));
	assert_string_equal(spool_incarnation(place->spool), first);
	assert_int_equal(append(place->spool, 0, NULL).seq, 2);
}

static void a_rolled_back_number_is_given_again(void **state)
{
	struct place *place = *state;
	struct spool_draft draft = draft_of(0, NULL);
	struct spool_receipt receipt;
	struct fault fault;

	must(spool_begin(place->spool, &fault), &fault);
	must(spool_append(place->spool, &draft, &receipt, &fault), &fault);
	assert_int_equal(receipt.seq, 1);
	spool_rollback(place->spool);
	assert_int_equal(append(place->spool, 0, NULL).seq, 1);
}

static void a_unit_is_taken_back_alone(void **state)
{
	struct place *place = *state;
	struct spool_draft first = draft_of(0, NULL);
	struct spool_draft second = draft_of(0, NULL);
	struct spool_receipt receipt;
	struct fault fault;

	must(spool_begin(place->spool, &fault), &fault);
	must(spool_append(place->spool, &first, &receipt, &fault), &fault);
	must(spool_mark(place->spool, &fault), &fault);
	must(spool_append(place->spool, &second, &receipt, &fault), &fault);
	must(spool_undo(place->spool, &fault), &fault);
	must(spool_commit(place->spool, &fault), &fault);
	assert_int_equal(spool_stream(place->spool, 0)->last_seq, 1);
	assert_int_equal(append(place->spool, 0, NULL).seq, 2);
}

static void a_repeat_gets_its_first_receipt(void **state)
{
	struct place *place = *state;
	struct spool_receipt first = append(place->spool, 0, "k");
	struct spool_receipt again;
	struct spool_draft other = draft_of(0, "k");
	struct fault fault;

	reopen(place);
	again = append(place->spool, 0, "k");
	assert_int_equal(again.seq, first.seq);
	assert_true(again.repeated);
	assert_false(first.repeated);
	other.digest[0] = 1;
	must(spool_begin(place->spool, &fault), &fault);
	assert_false(spool_append(place->spool, &other, &again, &fault));
	assert_int_equal(fault.kind, FAULT_REJECT);
	assert_string_equal(fault.code, "key-reused");
	spool_rollback(place->spool);
	assert_int_equal(append(place->spool, 0, NULL).seq, 2);
}

struct seen {
	int64_t last;
	int count;
	struct buffer value;
};

static bool look(void *context, const struct spool_row *row)
{
	struct seen *seen = context;

	assert_int_equal(row->seq, seen->last + 1);
	seen->last = row->seq;
	seen->count++;
	buffer_reset(&seen->value);
	buffer_append(&seen->value, row->value.data, row->value.size);
	return true;
}

static void events_come_out_in_order_with_their_number_in_the_seam(void **state)
{
	struct place *place = *state;
	struct seen seen = { 0 };
	struct fault fault;
	int64_t last;

	for (int i = 0; i < 70; i++)
		append(place->spool, 0, NULL);
	must(spool_read(place->spool, 0, 0, 1000, look, &seen, &last, &fault), &fault);
	assert_int_equal(last, 70);
	/* 70 as a varint is 8c 01. */
	assert_int_equal(seen.value.size, 11);
	assert_memory_equal(seen.value.data, "\0\0\0\0\1ab\x8c\x01yz", 11);
	buffer_clear(&seen.value);
}

static void delivered_is_remembered_and_told(void **state)
{
	struct place *place = *state;
	struct spool_receipt receipt = append(place->spool, 0, NULL);
	struct spool_receipt found;
	struct spool_status status;
	uint8_t id[16];
	bool is_there;
	struct fault fault;

	append(place->spool, 0, NULL);
	must(spool_begin(place->spool, &fault), &fault);
	spool_delivered(place->spool, 0, 1, 7);
	must(spool_commit(place->spool, &fault), &fault);
	reopen(place);
	must(spool_status(place->spool, &status, &fault), &fault);
	assert_int_equal(status.pending, 1);
	assert_true(identity_parse(bytes_of(receipt.event_id), id));
	must(spool_find(place->spool, id, &is_there, &found, &fault), &fault);
	assert_true(is_there);
	assert_int_equal(found.state, SPOOL_DELIVERED);
}

static void only_delivered_events_expire(void **state)
{
	struct place *place = *state;
	struct spool_receipt list[8];
	size_t count;
	struct fault fault;

	for (int i = 0; i < 3; i++)
		append(place->spool, 0, NULL);
	must(spool_begin(place->spool, &fault), &fault);
	spool_delivered(place->spool, 0, 2, 7);
	must(spool_commit(place->spool, &fault), &fault);
	must(spool_begin(place->spool, &fault), &fault);
	must(spool_note_day(place->spool, 20000, &fault), &fault);
	must(spool_expire(place->spool, 20000, 100, &fault), &fault);
	must(spool_list(place->spool, false, list, 8, &count, &fault), &fault);
	assert_int_equal(count, 3);
	must(spool_expire(place->spool, 20001, 100, &fault), &fault);
	must(spool_commit(place->spool, &fault), &fault);
	must(spool_list(place->spool, false, list, 8, &count, &fault), &fault);
	assert_int_equal(count, 1);
	assert_int_equal(list[0].seq, 3);
	reopen(place);
	assert_int_equal(spool_newest_day(place->spool), 20000);
}

static void a_second_opener_is_told_to_try_again(void **state)
{
	struct place *place = *state;
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct spool *other;
		struct fault fault;

		if (spool_open(&other, place->path, "35.09.01.2001", NULL, topics, 2,
		            &fault))
			_exit(1);
		_exit(fault.kind == FAULT_RETRY ? 0 : 2);
	}
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void another_villages_spool_is_refused(void **state)
{
	struct place *place = *state;
	struct spool *other;
	struct fault fault;

	spool_close(&place->spool);
	assert_false(spool_open(
	        &other, place->path, "35.09.01.2002", NULL, topics, 2, &fault));
	assert_int_equal(fault.kind, FAULT_STOP);
	assert_non_null(strstr(fault.text, "35.09.01.2001"));
}

/* A child appends and tells each number that was committed, until it is killed. */
static void what_was_committed_survives_a_kill(void **state)
{
	struct place *place = *state;

	spool_close(&place->spool);
	for (int round = 0; round < 20; round++) {
		int64_t told = 0;
		int pipes[2];
		pid_t child;
		struct fault fault;

		assert_int_equal(pipe(pipes), 0);
		child = fork();
		if (child == 0) {
			struct spool *spool;

			if (!spool_open(&spool, place->path, "35.09.01.2001", NULL,
			            topics, 2, &fault))
				_exit(1);
			for (;;) {
				int64_t seq = append(spool, 0, NULL).seq;

				if (write(pipes[1], &seq, sizeof seq) != sizeof seq)
					_exit(1);
			}
		}
		close(pipes[1]);
		for (int i = 0; i <= round * 3; i++)
			assert_int_equal(
			        read(pipes[0], &told, sizeof told), sizeof told);
		kill(child, SIGKILL);
		while (read(pipes[0], &told, sizeof told) == sizeof told)
			continue;
		waitpid(child, NULL, 0);
		close(pipes[0]);
		must(spool_open(&place->spool, place->path, "35.09.01.2001", NULL,
		             topics, 2, &fault),
		        &fault);
		assert_true(spool_stream(place->spool, 0)->last_seq >= told);
		spool_close(&place->spool);
	}
}

static void a_full_disk_is_told_and_nothing_is_half_stored(void **state)
{
	struct place *place = *state;
	pid_t child;
	int status;

	spool_close(&place->spool);
	child = fork();
	if (child == 0) {
		struct rlimit small = { 300000, 300000 };
		struct spool_draft draft = draft_of(0, NULL);
		struct spool_receipt receipt;
		struct fault fault;
		int64_t kept;

		signal(SIGXFSZ, SIG_IGN);
		reopen(place);
		setrlimit(RLIMIT_FSIZE, &small);
		for (;;) {
			kept = spool_stream(place->spool, 0)->last_seq;
			if (!spool_begin(place->spool, &fault)
			        || !spool_append(place->spool, &draft, &receipt, &fault)
			        || !spool_commit(place->spool, &fault))
				break;
			draft = draft_of(0, NULL);
		}
		spool_rollback(place->spool);
		_exit(fault.kind != FAULT_NONE && kept > 0
		                        && spool_stream(place->spool, 0)->last_seq
		                                   == kept
		                ? 0
		                : 1);
	}
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		        numbers_keep_growing_after_reopening, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        an_anchor_is_kept_until_the_topic_is_another, set_up,
		        tear_down),
		cmocka_unit_test_setup_teardown(
		        a_spool_that_wakes_up_elsewhere_begins_a_new_life, set_up,
		        tear_down),
		cmocka_unit_test_setup_teardown(
		        a_copy_of_the_file_begins_a_new_life, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        an_older_copy_that_is_put_back_begins_a_new_life, set_up,
		        tear_down),
		cmocka_unit_test_setup_teardown(
		        a_spool_that_lies_and_is_opened_keeps_its_life, set_up,
		        tear_down),
		cmocka_unit_test_setup_teardown(
		        a_witness_of_the_release_before_is_believed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_rolled_back_number_is_given_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_unit_is_taken_back_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_repeat_gets_its_first_receipt, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        events_come_out_in_order_with_their_number_in_the_seam, set_up,
		        tear_down),
		cmocka_unit_test_setup_teardown(
		        delivered_is_remembered_and_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        only_delivered_events_expire, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_second_opener_is_told_to_try_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        another_villages_spool_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        what_was_committed_survives_a_kill, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_full_disk_is_told_and_nothing_is_half_stored, set_up,
		        tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
