/* SPDX-License-Identifier: MIT */
#ifndef CTL_CTL_H
#define CTL_CTL_H

/*
 * The commands of `kentongan`. Options stand anywhere behind the command's name:
 * --name value, or --name for a flag; what is left are the arguments.
 */

#include "base/bytes.h"
#include "base/conf.h"
#include "base/fault.h"
#include "event/catalog.h"

enum { CTL_ARGUMENTS = 16, CTL_OPTIONS = 32 };

struct ctl {
	struct conf *conf; /* the options */
	const char *arguments[CTL_ARGUMENTS];
	size_t count;
	const char *topics[CTL_ARGUMENTS]; /* --topic, which may stand more than once */
	size_t topic_count;
	const char *options[2 * CTL_OPTIONS]; /* as typed: --name value --name ... */
	size_t option_count;
	bool json;
	size_t printed; /* items of a JSON array so far */
};

/* Print to standard output; what is wrong goes into the fault. */
bool ctl_topics_create(struct ctl *ctl, struct fault *fault);
bool ctl_schemas_show(struct ctl *ctl, struct fault *fault);
bool ctl_schemas_check(struct ctl *ctl, struct fault *fault);
bool ctl_schemas_diff(struct ctl *ctl, struct fault *fault);
bool ctl_schemas_push(struct ctl *ctl, struct fault *fault);
bool ctl_schemas_pull(struct ctl *ctl, struct fault *fault);
bool ctl_department_check(struct ctl *ctl, struct fault *fault);
bool ctl_department_init(struct ctl *ctl, struct fault *fault);
bool ctl_department_diff(struct ctl *ctl, struct fault *fault);
bool ctl_letters_list(struct ctl *ctl, struct fault *fault);
bool ctl_letters_show(struct ctl *ctl, struct fault *fault);
bool ctl_letters_retry(struct ctl *ctl, struct fault *fault);
bool ctl_letters_waive(struct ctl *ctl, struct fault *fault);
bool ctl_account(struct ctl *ctl, struct fault *fault);
bool ctl_log_adopt(struct ctl *ctl, struct fault *fault);
bool ctl_department_try(struct ctl *ctl, struct fault *fault);
bool ctl_replay(struct ctl *ctl, struct fault *fault);
bool ctl_resend(struct ctl *ctl, struct fault *fault);
bool ctl_villages_find(struct ctl *ctl, struct fault *fault);
bool ctl_version(struct ctl *ctl, struct fault *fault);

/* FAULT_STOP with code "usage". Always false. */
bool ctl_usage(struct fault *fault, const char *what);

/*
 * Whether an option stands on the command line; what stands in the file of options is
 * for all commands. name as the table has it.
 */
bool ctl_given(const struct ctl *ctl, const char *name);

/* A usage fault where one of the names, ended by NULL, was given: why says why not. */
bool ctl_without(const struct ctl *ctl, const char *const *names, const char *why,
        struct fault *fault);

/* --limit, or where it was not given, this. */
size_t ctl_limit(const struct ctl *ctl, size_t standard);

/* The one argument, or a usage fault that says what it should be. */
bool ctl_one_argument(
        const struct ctl *ctl, const char *what, const char **out, struct fault *fault);

/* --village has a village's shape, or is not given where it need not be. */
bool ctl_village(const struct ctl *ctl, bool must, struct fault *fault);

/* name is a folder, or the name of one of those that come with the hub. */
void ctl_department_folder(const char *name, char out[512]);

/* Print a version as a JSON object with one member more, name: text. */
void ctl_print_schema(const char *before, const struct catalog_schema *schema,
        const char *name, const char *text);

/* What `department init` does to a database. */
bool ctl_install(
        struct ctl *ctl, const char *folder, const char *database, struct fault *fault);

/*
 * Keep who sees what again, and why, in satu_data: --audit CONNINFO. Another database
 * is a usage fault: nobody would look for it there.
 */
bool ctl_audit(const struct ctl *ctl, const char *what, struct fault *fault);

/* A decision needs --reason, and blanks are none: a usage fault. */
MUST_CHECK bool ctl_reason(const struct ctl *ctl, struct fault *fault);

/* Who types: the name that a decision is kept under. */
const char *ctl_who(void);

#endif
