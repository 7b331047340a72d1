/* SPDX-License-Identifier: MIT */
#include "desk.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "cases.h"
#include "clerk.h"
#include "monitor.h"
#include "port/table.h"

enum {
	SEATS = 64,
	PATIENCE_US = 5000000, /* for all that one question asks */
	PAUSE_US = 5000000,
	WHAT_BYTES = 512,
};

struct question {
	struct errand errand;         /* first */
	struct http_request *request; /* NULL: only `what` is to be kept */
	char what[WHAT_BYTES];
	desk_kept *kept; /* with context; NULL: nobody is told */
	void *context;
	char village_code[16];
	char case_id[CASE_BYTES]; /* "": the village itself is asked for */
	struct asker asker;
	const struct http_problem *problem; /* NULL: out is the answer */
	struct buffer out;
};

struct desk {
	const char *connection;
	struct board *board;
	struct clerk *clerk;
	/* the clerk's own */
	struct table *table;
	struct cases_reader *cases;
	int64_t resume_us; /* monotonic: when to try to connect again */
	bool is_away;      /* and that was logged */
	struct buffer sql;
};

static const struct http_problem no_satu_data = { 503, "no-satu-data", "Not set up",
	"This monitor has no satu_data to ask: set satu_data.",
	"Monitor ini belum dihubungkan ke Satu Data." };
static const struct http_problem away = {
	503, "database", "The database does not answer",
	"satu_data does not answer; live figures are not touched. Try again.",
	"Basis data Satu Data tidak menjawab; angka langsung tetap berjalan. Coba lagi."
};
static const struct http_problem busy = { 503, "busy", "Too many ask",
	"Too many wait for satu_data; try again in a moment.",
	"Terlalu banyak yang menunggu Satu Data; coba lagi sebentar." };
static const struct http_problem no_case = { 404, "not-found", "Not found",
	"satu_data has no event of this case.",
	"Satu Data belum memiliki catatan perkara ini." };

static void question_free(struct question *question)
{
	buffer_clear(&question->out);
	free(question);
}

/* The clerk's thread */

static bool open_table(struct desk *desk, struct fault *fault)
{
	table_close(&desk->table);
	if (clock_monotonic_us() < desk->resume_us)
		return fault_set(fault, FAULT_RETRY, "the database does not answer");
	if (!table_open(&desk->table, desk->connection, "kentongan-monitor",
	            "satu_data", fault))
		return false;
	table_deadline(desk->table, clock_monotonic_us() + PATIENCE_US);
	return table_run(desk->table, "SET statement_timeout = '5s'", fault)
	       && cases_learn(desk->cases, desk->table, fault);
}

/* Ready for a question, and for how long. */
static bool connect_desk(struct desk *desk, struct fault *fault)
{
	if (!table_is_open(desk->table) && !open_table(desk, fault))
		return false;
	table_deadline(desk->table, clock_monotonic_us() + PATIENCE_US);
	return true;
}

static bool quote_all(struct desk *desk, const char *const *texts, struct fault *fault)
{
	for (; *texts != NULL; texts++)
		if (!table_quote(desk->table, bytes_of(*texts), &desk->sql, fault))
			return false;
		else
			buffer_append_text(&desk->sql, texts[1] ? ", " : ")");
	buffer_append_byte(&desk->sql, '\0');
	return buffer_ok(&desk->sql, fault);
}

/* Kept first: what is shown was always written down. */
static bool keep_who(
        struct desk *desk, const struct question *question, struct fault *fault)
{
	const char *const texts[] = { question->asker.name, question->what,
		question->asker.reason, question->village_code, question->case_id,
		NULL };

	buffer_reset(&desk->sql);
	buffer_append_text(&desk->sql, "SELECT kentongan.note(");
	return quote_all(desk, texts, fault)
	       && table_run(desk->table, (const char *)desk->sql.data, fault);
}

static bool answer_case(
        struct desk *desk, struct question *question, struct fault *fault)
{
	size_t count;

	if (question->asker.view == VIEW_OPEN && !keep_who(desk, question, fault))
		return false;
	buffer_append_text(&question->out, "{\"village_code\":");
	buffer_append_json(&question->out, bytes_of(question->village_code));
	buffer_append_text(&question->out, ",\"case_id\":");
	buffer_append_json(&question->out, bytes_of(question->case_id));
	buffer_append_text(&question->out, ",\"events\":");
	if (!cases_read(desk->cases, desk->table, question->village_code,
	            question->case_id, question->asker.view, &question->out, &count,
	            fault))
		return false;
	buffer_append_byte(&question->out, '}');
	if (count == 0)
		question->problem = &no_case;
	return true;
}

static bool note_stream(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	(void)count;
	buffer_append_text(context, texts[0]);
	return buffer_ok(context, fault);
}

/* What satu_data has of a village's streams, as JSON text; "{}" when it cannot say. */
static bool read_streams(struct desk *desk, const char *village_code,
        struct buffer *out, struct fault *fault)
{
	const char *const texts[] = { village_code, NULL };

	buffer_reset(&desk->sql);
	buffer_append_text(&desk->sql,
	        "SELECT coalesce(json_object_agg(topic || ' ' || incarnation, "
	        "json_build_object('applied', applied, 'dead', dead, 'parked', parked, "
	        "'missing', missing)), '{}') FROM kentongan.stream_position "
	        "WHERE village_code IN (");
	return quote_all(desk, texts, fault)
	       && table_query(desk->table, (const char *)desk->sql.data, note_stream,
	               out, fault);
}

/* With the live picture alone where it must; the fault is of a connection lost. */
static void answer_village(struct desk *desk, struct question *question, bool connected,
        struct fault *fault)
{
	struct buffer streams = { 0 };
	struct fault own = { 0 };

	if (connected && !read_streams(desk, question->village_code, &streams, &own)) {
		buffer_reset(&streams);
		if (!table_is_open(desk->table))
			*fault = own;
	}
	board_village(desk->board, question->village_code, buffer_bytes(&streams),
	        &question->out);
	buffer_clear(&streams);
}

static void answer(void *context, struct errand *errand)
{
	struct desk *desk = context;
	struct question *question = (struct question *)errand;
	struct fault fault = { 0 };
	bool ok = connect_desk(desk, &fault);

	if (question->request == NULL)
		question->problem =
		        ok && keep_who(desk, question, &fault) ? NULL : &away;
	else if (question->case_id[0] == '\0')
		answer_village(desk, question, ok, &fault);
	else if (!ok || !answer_case(desk, question, &fault))
		question->problem = &away;
	if (fault.kind == FAULT_NONE) {
		desk->is_away = false;
		return;
	}
	if (!desk->is_away)
		log_fault(NULL, "satu_data", &fault);
	desk->is_away = true;
	table_close(&desk->table);
	if (clock_monotonic_us() >= desk->resume_us)
		desk->resume_us = clock_monotonic_us() + PAUSE_US;
}

/* The loop's side */

static void tell(desk_kept *kept, void *context, const struct http_problem *problem)
{
	if (kept != NULL)
		kept(context, problem);
	else if (problem != NULL)
		log_warn(NULL, "who asked for what could not be kept");
}

static void hand_out(void *context, struct errand *errand)
{
	struct question *question = (struct question *)errand;

	(void)context;
	if (question->request == NULL)
		tell(question->kept, question->context, question->problem);
	else if (question->problem != NULL)
		http_refuse(question->request, question->problem, NULL);
	else
		answer_json(question->request, &question->out);
	question_free(question);
}

/* Whoever waits for a word gets one; requests are cut off with their listener. */
static void drop(void *context, struct errand *errand)
{
	struct question *question = (struct question *)errand;

	(void)context;
	if (question->request == NULL)
		tell(question->kept, question->context, &away);
	question_free(question);
}

/* NULL: too many wait. */
static struct question *question_new(struct desk *desk, const char *village_code,
        const char *case_id, const struct asker *asker)
{
	struct question *question =
	        clerk_load(desk->clerk) < SEATS ? calloc(1, sizeof *question) : NULL;

	if (question == NULL)
		return NULL;
	question->asker = *asker;
	snprintf(question->village_code, sizeof question->village_code, "%s",
	        village_code);
	snprintf(question->case_id, sizeof question->case_id, "%s", case_id);
	return question;
}

static void ask_for(struct desk *desk, struct http_request *request,
        const char *village_code, const char *case_id, const struct asker *asker)
{
	struct question *question = question_new(desk, village_code, case_id, asker);

	if (question == NULL) {
		http_refuse(request, &busy, NULL);
		return;
	}
	question->request = request;
	snprintf(question->what, sizeof question->what, "case");
	clerk_give(desk->clerk, &question->errand);
}

void desk_ask_case(struct desk *desk, struct http_request *request,
        const char *village_code, const char *case_id, const struct asker *asker)
{
	if (desk->connection[0] == '\0')
		http_refuse(request, &no_satu_data, NULL);
	else
		ask_for(desk, request, village_code, case_id, asker);
}

void desk_keep(struct desk *desk, const struct asker *asker, const char *what,
        const char *village_code, const char *case_id, desk_kept *kept, void *context)
{
	struct question *question;

	if (desk->connection[0] == '\0') {
		if (kept != NULL)
			kept(context, &no_satu_data);
		return;
	}
	question = question_new(desk, village_code, case_id, asker);
	if (question == NULL) {
		tell(kept, context, &busy);
		return;
	}
	snprintf(question->what, sizeof question->what, "%s", what);
	question->kept = kept;
	question->context = context;
	clerk_give(desk->clerk, &question->errand);
}

void desk_ask_village(
        struct desk *desk, struct http_request *request, const char *village_code)
{
	static const struct asker nobody = { .view = VIEW_MASKED };
	struct buffer out = { 0 };

	if (desk->connection[0] != '\0') {
		ask_for(desk, request, village_code, "", &nobody);
		return;
	}
	board_village(desk->board, village_code, (struct bytes){ 0 }, &out);
	answer_json(request, &out);
}

bool desk_open(struct desk **out, const struct conf *conf,
        const struct catalog *catalog, struct board *board, struct loop *loop,
        struct fault *fault)
{
	static const struct clerk_duties duties = {
		.run = answer, .done = hand_out, .drop = drop
	};
	struct desk *desk = calloc(1, sizeof *desk);

	if (desk == NULL)
		return fault_memory(fault);
	*out = desk;
	desk->connection = conf_text(conf, "satu_data");
	desk->board = board;
	return cases_open(&desk->cases, catalog, fault)
	       && clerk_open(&desk->clerk, loop, &duties, desk, fault);
}

void desk_close(struct desk **desk)
{
	struct desk *old = *desk;

	if (old == NULL)
		return;
	clerk_close(&old->clerk);
	table_close(&old->table);
	cases_close(&old->cases);
	buffer_clear(&old->sql);
	free(old);
	*desk = NULL;
}
