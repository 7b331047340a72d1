/* SPDX-License-Identifier: MIT */
/*
 * A simulation of one partition: sinks that claim, read, place and commit; a database
 * that knows positions by compare-and-set; and everything that goes wrong between them.
 * After each step the database must hold exactly the effects of the records before its
 * position, each number once. `partition_test HISTORIES SEED` runs more of it.
 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "event/place.h"

enum {
	RECORDS = 40,
	STREAMS = 2,
	NUMBERS = 64,
	SINKS = 3,
	SNAPSHOTS = 8,
	STEPS = 200,
	QUICK = 20000,
};

struct record {
	int stream;
	int64_t seq;
};

struct database {
	int next;
	struct place_stream streams[STREAMS];
	int effects[STREAMS][NUMBERS];
};

enum state { UNASSIGNED, RUNNING, IN_TRANSACTION };

/* What a sink has sent and the database has not settled. */
struct transaction {
	bool open;
	bool commit_sent;
	struct database result;
};

struct sink {
	enum state state;
	int next;
	struct place_stream streams[STREAMS];
	struct transaction transaction;
};

struct world {
	uint64_t random;
	struct record log[RECORDS];
	struct database now;
	struct database earlier[SNAPSHOTS]; /* a replica may be at any of them */
	int snapshots;
	struct sink sinks[SINKS];
};

static int64_t histories = QUICK;
static uint64_t first_seed = 1;

static unsigned draw(struct world *world, unsigned below)
{
	world->random ^= world->random << 13;
	world->random ^= world->random >> 7;
	world->random ^= world->random << 17;
	return (unsigned)(world->random >> 33) % below;
}

static void copy_streams(struct place_stream *to, const struct place_stream *from)
{
	for (int i = 0; i < STREAMS; i++) {
		place_clear(&to[i]);
		to[i] = from[i];
		to[i].gap_room = from[i].gap_count;
		to[i].gaps = NULL;
		if (from[i].gap_count == 0)
			continue;
		to[i].gaps = malloc(from[i].gap_count * sizeof *to[i].gaps);
		assert_non_null(to[i].gaps);
		memcpy(to[i].gaps, from[i].gaps,
		        from[i].gap_count * sizeof *to[i].gaps);
	}
}

static void copy_database(struct database *to, const struct database *from)
{
	to->next = from->next;
	memcpy(to->effects, from->effects, sizeof to->effects);
	copy_streams(to->streams, from->streams);
}

/* Numbers that grow, with repeats, gaps, and some that come late. */
static void make_log(struct world *world)
{
	int64_t high[STREAMS] = { 3, 5 };

	for (int i = 0; i < RECORDS; i++) {
		int stream = (int)draw(world, STREAMS);
		unsigned kind = draw(world, 10);

		if (kind < 6)
			high[stream] += 1;
		else if (kind < 8)
			high[stream] += 1 + draw(world, 3);
		world->log[i].stream = stream;
		world->log[i].seq = kind < 8 ? high[stream]
		                             : 1 + draw(world, (unsigned)high[stream]);
		if (high[stream] > NUMBERS - 5)
			high[stream] = NUMBERS - 5;
	}
}

/* The server settles a transaction, whole or not at all. True: it was committed. */
static bool settle(struct world *world, struct transaction *transaction, bool commit)
{
	bool moves = commit && transaction->open;

	transaction->open = false;
	if (!moves)
		return false;
	if (world->snapshots == SNAPSHOTS) {
		copy_database(&world->earlier[draw(world, SNAPSHOTS)], &world->now);
	} else {
		copy_database(&world->earlier[world->snapshots++], &world->now);
	}
	copy_database(&world->now, &transaction->result);
	return true;
}

static void forget(struct sink *sink)
{
	sink->state = UNASSIGNED;
}

/* Claiming is a locking write: what is in flight is settled first, one way or another.
 */
static void claim(struct world *world, struct sink *sink)
{
	for (int i = 0; i < SINKS; i++) {
		struct transaction *other = &world->sinks[i].transaction;

		if (other->open)
			settle(world, other, other->commit_sent && draw(world, 2) == 0);
	}
	sink->next = world->now.next;
	copy_streams(sink->streams, world->now.streams);
	sink->state = RUNNING;
}

static void begin(struct world *world, struct sink *sink)
{
	struct transaction *transaction = &sink->transaction;
	int count = 1 + (int)draw(world, 6);
	struct fault fault;

	if (transaction->open || sink->next == RECORDS)
		return;
	/* The row is locked by who moves it first: another waits, so is not here yet.
	 */
	for (int i = 0; i < SINKS; i++)
		if (world->sinks[i].transaction.open)
			return;
	if (world->now.next != sink->next) { /* compare-and-set: KT001 */
		forget(sink);
		return;
	}
	copy_database(&transaction->result, &world->now);
	transaction->open = true;
	transaction->commit_sent = false;
	for (int i = 0; i < count && sink->next < RECORDS; i++) {
		const struct record *record = &world->log[sink->next++];
		struct place_stream *stream = &sink->streams[record->stream];
		enum place place = place_of(stream, record->seq);

		if (place == PLACE_REPEAT || place == PLACE_JUMP)
			continue;
		must(place_take(stream, record->seq, &fault), &fault);
		transaction->result.effects[record->stream][record->seq]++;
	}
	transaction->result.next = sink->next;
	copy_streams(transaction->result.streams, sink->streams);
	sink->state = IN_TRANSACTION;
}

static void commit(struct world *world, struct sink *sink)
{
	bool answer_lost = draw(world, 4) == 0;

	if (!sink->transaction.open) { /* the server had settled it long ago */
		forget(sink);
		return;
	}
	if (answer_lost) {
		sink->transaction.commit_sent = true; /* it may still happen, or not */
		if (draw(world, 2) == 0)
			settle(world, &sink->transaction, draw(world, 2) == 0);
		forget(sink);
	} else if (settle(world, &sink->transaction, true)) {
		sink->state = RUNNING;
	} else {
		forget(sink);
	}
}

/* A crash: what was sent may live on in the server for a while. */
static void crash(struct world *world, struct sink *sink)
{
	if (sink->transaction.open && !sink->transaction.commit_sent)
		settle(world, &sink->transaction, false);
	forget(sink);
}

/* Another database takes over at an earlier moment; every connection is lost. */
static void fail_over(struct world *world)
{
	for (int i = 0; i < SINKS; i++) {
		settle(world, &world->sinks[i].transaction, false);
		if (draw(world, 2) == 0) /* the others find out when they commit */
			forget(&world->sinks[i]);
	}
	if (world->snapshots > 0)
		copy_database(&world->now,
		        &world->earlier[draw(world, (unsigned)world->snapshots)]);
	world->snapshots = 0; /* later states are gone with the old primary */
}

static void step(struct world *world)
{
	struct sink *sink = &world->sinks[draw(world, SINKS)];
	unsigned chance = draw(world, 100);

	if (chance < 1)
		fail_over(world);
	else if (chance < 4)
		crash(world, sink);
	else if (chance < 7)
		claim(world, sink); /* a rebalance: the old owner does not know */
	else if (sink->state == UNASSIGNED)
		claim(world, sink);
	else if (sink->state == RUNNING)
		begin(world, sink);
	else
		commit(world, sink);
}

/* Position n: the effects of exactly the records before n, each number once. */
static bool holds(const struct world *world)
{
	const struct database *now = &world->now;
	int wanted[STREAMS][NUMBERS] = { { 0 } };
	int came[STREAMS] = { 0 };

	for (int i = 0; i < now->next; i++)
		wanted[world->log[i].stream][world->log[i].seq] = 1;
	if (memcmp(wanted, now->effects, sizeof wanted) != 0)
		return false;
	for (int i = 0; i < STREAMS; i++) {
		const struct place_stream *stream = &now->streams[i];

		for (int j = 0; j < NUMBERS; j++)
			came[i] += wanted[i][j];
		if (came[i] > 0
		        && came[i] + place_missing(stream)
		                   != stream->high_seq - stream->first_seq + 1)
			return false;
	}
	return true;
}

static void clear(struct world *world)
{
	for (int i = 0; i < STREAMS; i++) {
		place_clear(&world->now.streams[i]);
		for (int j = 0; j < SNAPSHOTS; j++)
			place_clear(&world->earlier[j].streams[i]);
		for (int j = 0; j < SINKS; j++) {
			place_clear(&world->sinks[j].streams[i]);
			place_clear(&world->sinks[j].transaction.result.streams[i]);
		}
	}
}

static void any_history_keeps_the_account(void **state)
{
	int64_t finished = 0;

	(void)state;
	for (int64_t i = 0; i < histories; i++) {
		struct world world = { .random = (first_seed + (uint64_t)i)
			                         * UINT64_C(0x9E3779B97F4A7C15) };

		make_log(&world);
		for (int j = 0; j < STEPS; j++) {
			step(&world);
			if (!holds(&world))
				fail_msg("seed %llu, step %d: position %d",
				        (unsigned long long)(first_seed + (uint64_t)i),
				        j, world.now.next);
		}
		finished += world.now.next == RECORDS;
		clear(&world);
	}
	assert_true(finished > histories / 20); /* they do get somewhere */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_history_keeps_the_account),
	};

	if (argc > 1)
		histories = strtoll(argv[1], NULL, 10);
	if (argc > 2)
		first_seed = strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
