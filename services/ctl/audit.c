/* SPDX-License-Identifier: MIT */
#include "ctl.h"
#include "port/table.h"

static bool put_words(struct table *table, const char *const *words, size_t count,
        struct buffer *sql, struct fault *fault)
{
	for (size_t i = 0; i < count; i++) {
		buffer_append_text(sql, i > 0 ? ", " : "");
		if (!table_quote(table, bytes_of(words[i]), sql, fault))
			return false;
	}
	return true;
}

static bool note_yes(
        void *context, const char *const *texts, size_t count, struct fault *fault)
{
	(void)count;
	(void)fault;
	*(bool *)context = texts[0][0] == 't';
	return true;
}

/* Every department's database could keep it; people look in this one. */
static bool is_satu_data(struct table *table, struct fault *fault)
{
	bool is_it = false;

	return table_query(table, "SELECT to_regnamespace('satu_data') IS NOT NULL",
	               note_yes, &is_it, fault)
	       && (is_it
	               || ctl_usage(fault, "--audit: that database is not satu_data, "
	                                   "which keeps who saw what"));
}

bool ctl_audit(const struct ctl *ctl, const char *what, struct fault *fault)
{
	const char *const words[] = { ctl_who(), what, conf_text(ctl->conf, "reason"),
		conf_text(ctl->conf, "village"), conf_text(ctl->conf, "case") };
	struct table *table = NULL;
	struct buffer sql = { 0 };
	bool ok;

	buffer_append_text(&sql, "SELECT kentongan.note(");
	ok = table_open(&table, conf_text(ctl->conf, "audit"), "kentongan", "public",
	             fault)
	     && is_satu_data(table, fault) && put_words(table, words, 5, &sql, fault);
	buffer_append_text(&sql, ")");
	buffer_append_byte(&sql, 0);
	ok = ok && buffer_ok(&sql, fault) && table_run(table, (char *)sql.data, fault);
	buffer_clear(&sql);
	table_close(&table);
	return ok || (strcmp(fault->code, "usage") != 0 && fault_wrap(fault, "audit"));
}
