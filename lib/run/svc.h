/* SPDX-License-Identifier: MIT */
#ifndef RUN_SVC_H
#define RUN_SVC_H

/*
 * What every program has in common: arguments, settings, signals, the loop of steps,
 * the exit status. main() is: svc_begin, the program's own open, svc_run, the
 * program's own close, svc_end.
 *
 * Arguments: --conf FILE, --check, --help, --version, --settings. Exit status: 0 ended
 * as asked, 64 usage, 65 data, 69 unreachable, 70 internal, 75 try again,
 * 78 configuration.
 *
 * The first SIGTERM or SIGINT lets the step in hand finish, for at most drain_ms; the
 * second leaves at once.
 */

#include "base/conf.h"
#include "base/fault.h"
#include "base/step.h"

enum svc_exit {
	EXIT_OK = 0,
	EXIT_USAGE = 64,
	EXIT_DATA = 65,
	EXIT_UNREACHABLE = 69,
	EXIT_INTERNAL = 70,
	EXIT_TRY_AGAIN = 75,
	EXIT_CONFIGURATION = 78,
};

struct svc_program {
	const char *name;    /* "gateway" */
	const char *binary;  /* "kentongan-gateway" */
	const char *purpose; /* one sentence for --help */
	const struct conf_key *keys;
	/* What the table cannot say of the settings: at each start, and for --check.
	 * May be NULL.
	 */
	bool (*check)(const struct conf *conf, struct fault *fault);
	enum step (*step)(void *service, struct fault *fault);
	/* Called from a signal handler: makes a waiting step return soon. May be NULL.
	 */
	void (*hurry)(void *service);
	/* SIGHUP, between two steps. May be NULL: the signal is ignored then. */
	void (*reload)(void *service);
};

struct svc;

/*
 * Read arguments and settings, begin to log, take the signals. False also when there
 * is nothing more to do (--help): svc_end() then returns 0. program and service must
 * outlive the svc.
 */
MUST_CHECK bool svc_begin(struct svc **out, const struct svc_program *program,
        void *service, int argc, char **argv, struct fault *fault);

/* Call step until it is time to stop. False when a fault ended it. */
bool svc_run(struct svc *svc, struct fault *fault);

/* Log the fault if there is one and give the exit status; *svc becomes NULL. */
int svc_end(struct svc **svc, struct fault *fault);

const struct conf *svc_conf(const struct svc *svc);

/*
 * Read the settings again and take the named ones; the log tells what changed and what
 * waits for the next start. False, also when check (may be NULL) refuses the fresh
 * ones: everything stays as it was.
 */
typedef bool svc_check(const struct conf *fresh, struct fault *fault);
MUST_CHECK bool svc_renew(struct svc *svc, const char *const *names, svc_check *check,
        struct fault *fault);
bool svc_stopping(const struct svc *svc);

/*
 * Begin the program again in place: same process, same arguments. For faults that are
 * mended by starting, where no service manager can be relied on. Everything is closed.
 */
_Noreturn void svc_start_again(char **argv);

/* The exit status of a fault by its kind and code. */
int svc_exit_status(const struct fault *fault);

/* Write the address to the file named by address_file, whole or not at all. */
MUST_CHECK bool svc_write_address(
        const struct svc *svc, const char *address, struct fault *fault);

/* Settings that every program with an address has. */
#define SVC_KEYS                                                                       \
	CONF_KEY(TEXT, listen, "127.0.0.1:0",                                          \
	        "address and port to listen on; port 0 lets the kernel choose"),       \
	        CONF_KEY(PATH, address_file, "",                                       \
	                "file to write the address to once listening"),                \
	        CONF_KEY(MS, drain_ms, "5000",                                         \
	                "longest that a stop waits for the step in hand"),             \
	        CONF_ONE_OF(log_level, "info", "info|warn|error",                      \
	                "the least that is logged; without info the way of a record "  \
	                "cannot be followed")

#endif
