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
	     && put_words(table, words, 5, &sql, fault);
	buffer_append_text(&sql, ")");
	buffer_append_byte(&sql, 0);
	ok = ok && buffer_ok(&sql, fault) && table_run(table, (char *)sql.data, fault);
	buffer_clear(&sql);
	table_close(&table);
	return ok || fault_wrap(fault, "audit");
}
