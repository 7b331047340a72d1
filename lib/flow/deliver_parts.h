/* SPDX-License-Identifier: MIT */
#ifndef FLOW_DELIVER_PARTS_H
#define FLOW_DELIVER_PARTS_H

/* What deliver.c and the deliver_*.c share, and nobody else sees. */

#include "base/spread.h"
#include "event/digest.h"
#include "flow/apply.h"
#include "flow/deliver.h"
#include "flow/mend.h"
#include "port/topic_consumer.h"

enum {
	OWNER_BYTES = 128,
	LETTERS = 8, /* told of in a report */
	LETTER_BYTES = 480,
};

struct partition {
	char topic[128];
	int32_t number;
	int64_t next; /* as the database has it */
	int64_t read; /* the one after the last of the batch in hand */
	bool has_anchor;
	bool verify; /* the next record read must be the anchor */
	int64_t anchor_offset;
	uint8_t anchor_hash[DIGEST_BYTES];
	bool touched;        /* by the batch in hand */
	int64_t appended_us; /* the broker's time of what was applied last; 0: unknown
	                      */
};

/* What takes longer than statement_ms: docs/decisions/0036. */
struct slow {
	bool any;
	char topic[128]; /* the last record of its batch */
	int32_t partition;
	int64_t offset;
	unsigned alone; /* tries of one record alone, one after the other */
	bool proven;    /* then others passed beside it, once */
};

/* Another database with the department's name: docs/decisions/0037. */
struct rival {
	char own[40]; /* id of our database; "": it has none yet */
	int64_t seen; /* newest report of another, by its writer's clock: this look's */
	int64_t newest;   /* ... and that of all looks */
	int64_t alive_us; /* monotonic: when there was a newer one; 0: never */
	int64_t look_us;  /* monotonic: when to look again */
	bool is_there;
};

struct deliver {
	const struct conf *conf;
	const struct department *department;
	const struct catalog *catalog;
	const struct deliver_schemas *schemas;
	struct consumer *consumer;
	bool needs_consumer; /* the one there is reads nothing more */
	struct apply apply;
	struct topic_record *records;
	size_t gathered;       /* records that were read, and are in the batch */
	size_t gathered_bytes; /* their values */
	bool flies;            /* the batch before is on its way: apply_launch() */
	int64_t flies_us;      /* monotonic: since when */
	int64_t rested_us;     /* monotonic: when nothing was under way */
	struct deliver_counters before; /* that batch */
	size_t record_room;
	size_t record_limit; /* of a batch now; less where sessions collide or it takes
	                        too long */
	unsigned collisions; /* one after the other */
	struct slow slow;
	int64_t company_us; /* monotonic: until when others are waited for */
	struct rival rival;
	struct partition *partitions;
	size_t partition_count;
	bool is_member;    /* it was told which partitions are ours */
	int64_t out_us;    /* monotonic: since when they are not */
	bool running;      /* claimed, and reading */
	bool is_cut_off;   /* Kafka does not answer */
	bool lacks_topic;  /* one of the department's does not exist */
	int64_t topics_us; /* monotonic: when to look again whether all do */
	int64_t resume_us; /* monotonic: when to try again */
	int64_t reported_us;
	bool report_due;
	bool has_gaps;  /* numbers are missing, as far as is known */
	int64_t ask_us; /* monotonic: when to ask villages for them at the earliest */
	bool mend_due;  /* a case moved on which a record waits */
	struct mend_round mending;
	bool knows_unknown; /* letters of unknown schemas were tried again */
	int64_t mend_us;    /* monotonic: when to try again at the latest */
	struct deliver_counters counters;
	struct spread spans[2]; /* from accepted to applied: of this minute, of the last
	                         */
	int64_t spans_minute;   /* since 1970 */
	char owner[OWNER_BYTES];
	char letters[LETTERS][LETTER_BYTES]; /* the newest open dead letters, as JSON */
	size_t letter_count;
	bool letters_due;   /* one was set aside since they were learned */
	int64_t letters_us; /* monotonic: when that was */
};

/* Tell how it is; logged where that is news. Running: unless something else goes on. */
void deliver_set_state(struct deliver *deliver, const char *state, const char *reason);
void deliver_say_running(struct deliver *deliver);

/* Forget what is in hand, and read nothing: the database knows better. */
void deliver_forget(struct deliver *deliver, int64_t pause_ms);

/* A fault: end the transaction, forget, and wait or halt by its kind. */
void deliver_give_way(struct deliver *deliver, const struct fault *fault);

/* Become a member of the department's group. */
MUST_CHECK bool deliver_join(struct deliver *deliver, struct fault *fault);
MUST_CHECK bool deliver_take_assignment(struct deliver *deliver, struct fault *fault);
void deliver_own_nothing(struct deliver *deliver);

/* Kafka has turned the member away for good; a new one, after the pause of a halt. */
void deliver_lose_consumer(struct deliver *deliver, const struct fault *fault);
void deliver_renew_consumer(struct deliver *deliver);

/*
 * Whether Kafka answers now; else that is told, and the pause is set. Before a claim,
 * which asks it for more: for that the library waits a minute.
 */
MUST_CHECK bool deliver_hears_kafka(struct deliver *deliver);

/*
 * Tell what keeps the department from its topics, now and then. Others go on where one
 * is missing; but a department that gets nothing of it is not well, and nor is one that
 * Kafka tells nothing.
 */
void deliver_look_for_topics(struct deliver *deliver);

/* NULL when it is not ours. */
struct partition *deliver_find_partition(
        struct deliver *deliver, const char *topic, int32_t number);

/* The partitions as JSON; start is where one begins that was never read. */
void deliver_list_partitions(struct deliver *deliver, struct buffer *out);

/* How many letters are open and how many records wait, and the newest letters. */
MUST_CHECK bool deliver_learn_letters(struct deliver *deliver, struct fault *fault);

/* How long an event took from accepted to applied. */
void deliver_note_span(
        struct deliver *deliver, const struct item *item, int64_t now_us);

/* Tell the group how far we are, and how we are. */
void deliver_report(struct deliver *deliver);

/*
 * A batch took too long: half of it next time, down to one record. One that does so
 * again and again is tried beside others, and is set aside if it alone does. The fault
 * says where we are.
 */
void deliver_slow_down(struct deliver *deliver, struct fault *fault);
bool deliver_needs_company(const struct deliver *deliver);

/* Whether what took too long is in the batch; whether it is still before us. */
bool deliver_holds_slow(struct deliver *deliver);
bool deliver_is_slow(struct deliver *deliver);

/* Whether the batch sets one aside for it. */
bool deliver_is_too_slow(const struct batch *batch);

/* Whether another database's sink is at work in our group; looks now and then. */
bool deliver_has_rival(struct deliver *deliver);

/*
 * Connect, claim all partitions, learn what is held, see whether the log still is the
 * one that was read before, and begin to read. A transaction of an old owner that is in
 * the way is ended.
 */
MUST_CHECK bool deliver_claim(struct deliver *deliver, struct fault *fault);

#endif
