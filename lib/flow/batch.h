/* SPDX-License-Identifier: MIT */
#ifndef FLOW_BATCH_H
#define FLOW_BATCH_H

/*
 * The records of one transaction, each with its fate: a row for the mapping, a repeat,
 * a void, a dead letter, or one that waits behind a dead letter of its case. Building a
 * batch asks no database; it works on the streams as they were last read, and what it
 * changes in them is thrown away when the transaction fails.
 */

#include "event/digest.h"
#include "event/place.h"
#include "flow/cases.h"
#include "flow/department.h"
#include "flow/earlier.h"
#include "flow/straight.h"
#include "port/topic_consumer.h"

/* A stream as this department has it, with what the batch adds. */
struct stream {
	struct stream *next; /* of its bucket */
	char village_code[16];
	char incarnation[40];
	uint8_t life[16]; /* the incarnation's bytes; 0: it is no UUID */
	const char *topic;
	struct place_stream place;
	bool known; /* it stands in the database */
	bool asked; /* the database was asked */
	bool heir;  /* the village had another life before: see batch_heir() */
	bool heir_ready;
	int64_t old_high; /* as it stands there */
	bool touched;     /* by this batch */
	int64_t applied;
	int64_t dead;
	int64_t parked;
	int64_t voided;
};

enum dead_class {
	DEAD_FRAMING,
	DEAD_UNKNOWN_SCHEMA,
	DEAD_DECODE,
	DEAD_ORIGIN,
	DEAD_SEQUENCE,
	DEAD_DATA,
	DEAD_CLASSES,
};

const char *dead_class_name(enum dead_class class);

enum fate { FATE_ROW, FATE_REPEAT, FATE_VOID, FATE_DEAD, FATE_PARKED };

/* Why a record is a dead letter, or waits for others; few of a batch are or do. */
struct refusal {
	enum dead_class class;
	char sqlstate[8];
	char constraint[64];
	char reason[160];
};

/* Where a record's number was counted before this batch. */
enum was {
	WAS_NOWHERE, /* its number comes now */
	WAS_DEAD,
	WAS_PARKED,
};

struct item {
	struct topic_record *record;
	enum fate fate;
	struct stream *stream; /* NULL: the record does not say */
	int64_t seq;
	int64_t recorded_at_us; /* 0: the record does not say */
	bool counts;            /* its number came with this batch */
	enum was was;           /* more than NOWHERE when mending only */
	int64_t letter_id;      /* the dead letter it is, when mending; else 0 */
	bool overdue;           /* it has waited for others long enough */
	bool awaits;            /* parked for a row of others, not behind a letter */
	bool holds;             /* its case waits behind it */
	bool late;              /* its number was missing */
	size_t case_start; /* its case's key in the topic's texts; no size: unknown */
	size_t case_size;
	size_t row_start; /* in the topic's rows */
	size_t row_size;
	struct refusal *refusal; /* NULL: the rule; batch_refusal() */
};

/* A schema id that came after the start; plan NULL: not known yet. */
struct newcomer {
	int32_t id;
	struct plan *plan;
	bool met; /* by the batch in hand */
};

/* One topic of the department: its plans and, of the batch, its items and rows. */
struct lane {
	const struct department_topic *topic;
	struct newcomer *newcomers; /* plans of schemas that came after the start */
	size_t newcomer_count;
	struct plan **plans; /* by index of the catalog's schemas; NULL: not its own */
	const struct plan *newest;
	const struct column *columns;
	size_t column_count;
	char batch_name[128];
	struct item *items;
	size_t item_count;
	size_t item_room;
	struct buffer rows;  /* as COPY wants them, without header and trailer */
	bool narrow;         /* they have but the cells that the straight way wants */
	struct buffer texts; /* keys of the items' cases */
	struct cases held;   /* their later records wait */
	char fingerprint[2 * DIGEST_BYTES + 1]; /* of the mapping, in hex */
	int64_t taken;                          /* records that it has taken */
	size_t mapped;                          /* of this batch */
	size_t flown;                           /* of the one that is on its way */
	struct straight straight;               /* of the session */
	bool spoilt; /* its batch table has holes that what was undone left behind */
};

enum { STREAM_BUCKETS = 16384 };

struct format;

struct batch {
	const struct catalog *catalog;
	const struct format *village;
	struct lane *lanes;
	size_t lane_count;
	bool keep_values;       /* the raw bytes of dead letters too */
	bool begins_late;       /* it owes nothing from before its first record */
	uint64_t order_wait_ms; /* how long one waits for a row of others */
	struct cases awaiting;  /* cases of any topic of which one does */
	struct earlier earlier; /* events of villages that began a new life */
	struct plan *void_plan;
	int32_t void_id;
	size_t void_topic; /* the column of its topic */
	struct stream *streams[STREAM_BUCKETS];
	struct stream **touched; /* by the batch in hand */
	size_t touched_count;
	size_t touched_room;
	bool placed;   /* the second pass is done */
	bool composed; /* and the transaction is written down: flow/apply.c */
	struct cell *cells;
	struct buffer scratch;
	struct buffer key;
};

MUST_CHECK bool batch_open(struct batch *batch, const struct department *department,
        const struct catalog *catalog, struct fault *fault);
void batch_close(struct batch *batch);

/* Forget the items; the streams stay. */
void batch_reset(struct batch *batch);

/* Forget streams and held cases too: the database knows better. */
void batch_forget(struct batch *batch);

/* What the database said of a case: its records wait. */
MUST_CHECK bool batch_hold(struct batch *batch, const char *topic,
        const char *village_code, const char *case_id, bool awaits,
        struct fault *fault);

/*
 * First pass: note the record and find its stream. Streams that are new to the batch
 * are told by batch_unknown(), to be read from the database before the second pass.
 */
MUST_CHECK bool batch_add(
        struct batch *batch, struct topic_record *record, struct fault *fault);

/*
 * Schema ids that the batch met and knows no plan for: the index-th, with the subject
 * it should be of; false after the last. batch_know() gives one its schema, which must
 * outlive the batch; then the records are to be added again.
 */
bool batch_newcomer(
        struct batch *batch, size_t index, int32_t *id, const char **subject);
MUST_CHECK bool batch_know(struct batch *batch, const char *subject, int32_t id,
        const struct schema *schema, struct fault *fault);

/* The streams that must be read, as calls of kentongan.streams(); false: none. */
bool batch_unknown(struct batch *batch, struct buffer *out);

/* What the database said of one of them; gaps NULL: it has none such. */
MUST_CHECK bool batch_learn(struct batch *batch, const char *village_code,
        const char *incarnation, const char *topic, int64_t first_seq, int64_t high_seq,
        const char *gaps, bool heir, struct fault *fault);

/*
 * The next stream whose earlier records must be read before the second pass: a new life
 * of a spool has forgotten its clients' keys, so what they repeat has a new number and
 * an old event_id. NULL: none. One is told for all lives of its village.
 */
struct stream *batch_heir(struct batch *batch);

/* A record of an heir's village: its event is remembered, with its place. */
MUST_CHECK bool batch_earlier(struct batch *batch, const struct stream *heir,
        struct topic_record *record, struct fault *fault);

/* Whether something has to be asked before the second pass. */
bool batch_asks(struct batch *batch);

/* Second pass: place the numbers. */
MUST_CHECK bool batch_place(struct batch *batch, struct fault *fault);

/*
 * See that the rows are narrow, or whole. They stay so in the next batches, as that is
 * what will be asked for again; where it is not they are made anew.
 */
MUST_CHECK bool batch_form_rows(
        struct batch *batch, struct lane *lane, bool narrow, struct fault *fault);

/* Keep the rows of items that are still to be mapped, one behind the other. */
void batch_pack_rows(struct lane *lane);

/* Make an item a dead letter. */
MUST_CHECK bool batch_set_aside(
        struct item *item, const struct refusal *why, struct fault *fault);

/* What it was refused for; of empty words, class 0, where it was not. */
const struct refusal *batch_refusal(const struct item *item);

/*
 * The tables refuse a row's item: it is a dead letter, or waits where what it refers to
 * has not come yet. Its case's later rows wait behind it, where the policy says so.
 */
MUST_CHECK bool batch_refuse(struct batch *batch, struct lane *lane, struct item *item,
        const char *sqlstate, const char *constraint, struct fault *fault);

/* The key of an item's case; empty when unknown. */
struct bytes batch_case(const struct lane *lane, const struct item *item);

/*
 * Show each granted field of the item's record that is not null. Cells live until the
 * next one of them is decoded; the fault of visit ends it.
 */
typedef bool cell_visitor(void *context, const struct column *column,
        const struct cell *cell, struct fault *fault);
MUST_CHECK bool batch_visit(struct batch *batch, struct lane *lane,
        const struct item *item, cell_visitor *visit, void *context,
        struct fault *fault);

/* What the streams gained, as calls of kentongan.advance(); nothing where none did. */
void batch_moves(struct batch *batch, struct buffer *out);

/* The dead letters, for kentongan.set_aside(); false: none. */
MUST_CHECK bool batch_letters(
        struct batch *batch, bool *any, struct buffer *out, struct fault *fault);

/* The records that wait, for kentongan.park(); false: none. */
bool batch_waiting(struct batch *batch, struct buffer *out);

/* What became of the records that were mended, for kentongan.settle(). */
void batch_outcomes(struct batch *batch, struct buffer *out);

/* Whether a number is missing in a stream that the batch touched. */
bool batch_has_gaps(const struct batch *batch);

/* The transaction is through: what the streams gained is theirs now. */
void batch_settle(struct batch *batch);

struct lane *batch_lane(struct batch *batch, const char *topic);

#endif
