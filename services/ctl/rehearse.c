/* SPDX-License-Identifier: MIT */
/*
 * `kentongan replay --out department=...`: the past through a mapping, into a database
 * that nobody uses. One that is anybody's is refused; one that an earlier rehearsal
 * made is emptied first.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/rehearse.h"
#include "port/table.h"
#include "replay.h"

enum { WAIT_MS = 100 };

/* The comment of the schema kentongan in a scratch database. */
#define MARK "a rehearsal may empty this database"

/* What stands in a database that was named as a scratch one. */
struct scratch {
	bool is_known;  /* it has positions */
	bool is_marked; /* an earlier rehearsal made it */
	int64_t tables;
	int64_t foreign; /* positions of somebody else */
};

static bool note_tables(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct scratch *scratch = context;

	(void)count;
	(void)fault;
	scratch->is_known = texts[0][0] == 't';
	scratch->is_marked = texts[1][0] == 't';
	scratch->tables = strtoll(texts[2], NULL, 10);
	return true;
}

static bool note_positions(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	struct scratch *scratch = context;

	(void)count;
	(void)fault;
	scratch->foreign = strtoll(texts[0], NULL, 10);
	return true;
}

static bool look(struct table *table, struct scratch *scratch, struct fault *fault)
{
	return table_query(table,
	               "SELECT to_regclass('kentongan.log_position') IS NOT NULL, "
	               "coalesce(obj_description(to_regnamespace('kentongan')::oid, "
	               "'pg_namespace') = '" MARK "', false), count(*) FROM pg_class c "
	               "JOIN pg_namespace n ON n.oid = "
	               "c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', "
	               "'f') AND n.nspname <> 'information_schema' AND n.nspname NOT "
	               "LIKE 'pg\\_%' AND NOT EXISTS (SELECT FROM pg_depend d WHERE "
	               "d.objid = c.oid AND d.deptype = 'e')",
	               note_tables, scratch, fault)
	       && (!scratch->is_known
	               || table_query(table,
	                       "SELECT count(*) FROM kentongan.log_position WHERE "
	                       "owner <> '" REHEARSE_OWNER "'",
	                       note_positions, scratch, fault));
}

static bool is_free(const struct scratch *scratch, struct fault *fault)
{
	if (scratch->is_marked ? scratch->foreign == 0 : scratch->tables == 0)
		return true;
	return fault_set(fault, FAULT_REJECT,
	        scratch->foreign > 0
	                ? "the database is that of a department at work; a rehearsal "
	                  "needs one of its own"
	                : "the database is not empty, and no earlier rehearsal's; a "
	                  "rehearsal needs one of its own");
}

/* Whichever department was rehearsed before. The mark comes with it: whatever goes
 * wrong later, the next rehearsal may begin. */
static bool empty(struct table *table, struct fault *fault)
{
	return table_run(table,
	        "DO $$DECLARE s name; BEGIN FOR s IN SELECT nspname FROM pg_namespace "
	        "WHERE nspname NOT IN ('public', 'information_schema') AND nspname NOT "
	        "LIKE 'pg\\_%' LOOP EXECUTE format('DROP SCHEMA %I CASCADE', s); END "
	        "LOOP; END$$; CREATE SCHEMA kentongan; COMMENT ON SCHEMA kentongan IS "
	        "'" MARK "'",
	        fault);
}

static bool make_ready(struct playing *playing, const char *folder,
        const char *database, struct fault *fault)
{
	struct scratch scratch = { 0 };
	struct table *table = NULL;
	bool ok = table_open(&table, database, "kentongan rehearsal", "public", fault)
	          && look(table, &scratch, fault) && is_free(&scratch, fault)
	          && empty(table, fault);

	table_close(&table);
	return ok && ctl_install(playing->ctl, folder, database, fault);
}

/* What the department does not take cannot be rehearsed; none named: all it takes. */
static bool take_topics(struct playing *playing, const struct department *department,
        struct fault *fault)
{
	bool named = playing->ctl->topic_count > 0
	             || conf_text(playing->ctl->conf, "topic")[0] != '\0';
	bool taken[REPLAY_TOPICS] = { 0 };

	for (size_t i = 0; i < department->topic_count; i++)
		taken[department->topics[i].topic - playing->catalog->topics] = true;
	for (size_t i = 0; i < playing->catalog->topic_count; i++) {
		if (named && playing->wish.topics[i] && !taken[i])
			return fault_set(fault, FAULT_REJECT,
			        "the department does not take %s",
			        playing->catalog->topics[i].topic);
		playing->wish.topics[i] = playing->wish.topics[i] && taken[i];
	}
	return true;
}

static bool take_all(
        struct playing *playing, struct rehearse *rehearse, struct fault *fault)
{
	struct replay_event event;

	for (;;) {
		switch (replay_next(playing->replay, WAIT_MS, &event, fault)) {
		case STEP_FAULT:
			return false;
		case STEP_IDLE:
			if (replay_is_over(playing->replay))
				return rehearse_end(rehearse, fault);
			break;
		case STEP_DONE:
			if (!rehearse_take(rehearse, &event, fault))
				return false;
			break;
		}
	}
}

static void print_counters(
        const struct ctl *ctl, const struct rehearse_counters *counters)
{
	int64_t dead = 0;

	for (int i = 0; i < DEAD_CLASSES; i++)
		dead += counters->dead[i];
	printf(ctl->json ? "{\"applied\": %" PRId64 ", \"repeats\": %" PRId64
	                   ", \"waiting\": %" PRId64 ", \"dead\": {"
	                 : "%" PRId64 " applied, %" PRId64 " repeats, %" PRId64
	                   " waiting, dead:",
	        counters->applied, counters->repeats, counters->waiting);
	for (int i = 0, any = 0; i < DEAD_CLASSES; i++) {
		if (counters->dead[i] == 0)
			continue;
		printf(ctl->json ? "%s\"%s\": %" PRId64 : "%s %s %" PRId64,
		        any++ > 0 ? "," : "", dead_class_name((enum dead_class)i),
		        counters->dead[i]);
	}
	printf(ctl->json ? "}}\n" : dead > 0 ? "\n" : " none\n");
}

static bool rehearse(struct playing *playing, const struct department *department,
        const char *database, struct fault *fault)
{
	struct rehearse *scratch = NULL;
	const struct topic_range *list;
	size_t count;
	bool ok = rehearse_open(&scratch, playing->ctl->conf, department,
	        playing->catalog, database, fault);

	if (ok) {
		list = replay_ranges(playing->replay, &count);
		ok = rehearse_mark(scratch, list, count, fault)
		     && take_all(playing, scratch, fault);
	}
	if (ok)
		print_counters(playing->ctl, rehearse_counters(scratch));
	rehearse_close(&scratch);
	return ok;
}

bool replay_rehearse(struct playing *playing, struct fault *fault)
{
	const struct conf *conf = playing->ctl->conf;
	const char *out = conf_text(conf, "out");
	bool names_database = strncmp(out, "database=", 9) == 0;
	const char *database = names_database ? out + 9 : conf_text(conf, "database");
	const char *name = names_database ? conf_text(conf, "department") : out + 11;
	struct department *department = NULL;
	char folder[512];
	bool ok;

	if (name[0] == '\0' || database[0] == '\0')
		return ctl_usage(fault, "a rehearsal needs --out department=DIR and "
		                        "--database CONNINFO");
	ctl_department_folder(name, folder);
	ok = department_open(&department, folder, playing->catalog, fault)
	     && take_topics(playing, department, fault)
	     && make_ready(playing, folder, database, fault)
	     && replay_begin(playing, fault)
	     && rehearse(playing, department, database, fault);
	replay_close(&playing->replay);
	department_close(&department);
	return ok;
}
