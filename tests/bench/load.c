/* SPDX-License-Identifier: MIT */
/*
 * Closed-loop HTTP load: load PORT PATH CONNECTIONS SECONDS [EVENTS [RATE]] posts one
 * payment after the other over each connection, or to /v1/batch 1,000 of them at once,
 * for SECONDS or until EVENTS are accepted; with a RATE no faster than that in all.
 * Prints JSON: events a second and latencies of posts.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { MOST = 1024, SAMPLES = 4000000, LINES = 1000, BODY_BYTES = 1 << 20 };

struct client {
	int fd;
	int64_t sent_us;
	size_t size;     /* of the answer so far */
	char data[4096]; /* its beginning */
};

static struct client clients[MOST];
static int64_t *latencies;
static size_t events_a_post = 1;
static size_t accepted; /* events, as are all of these */
static size_t refused;
static size_t sent;
static size_t answers;

static int connect_to(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int yes = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	assert(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
	return fd;
}

/* A payment, and in a batch which record it is and the end of its line. */
static int write_event(char *out, size_t room)
{
	bool line = events_a_post > 1;

	return snprintf(out, room,
	        "{%s\"case_id\":\"PBB-%zu\",\"service\":\"pbb-p2\",\"actor\":{"
	        "\"role\":"
	        "\"TREASURER\","
	        "\"name\":\"Budi "
	        "Santoso\"},\"action\":\"PAID\",\"kind\":\"pbb-p2\",\"amount\":"
	        "\"150000.00\",\"method\":\"CASH\",\"payer\":{\"nik\":"
	        "\"9909010101900001\",\"name\":"
	        "\"Siti "
	        "Rahayu\"},\"reference\":\"35.09.010.001.001-0042.0\",\"period\":"
	        "\"2026\"}%s",
	        line ? "\"record\":\"Payment\"," : "", sent++, line ? "\n" : "");
}

static void post(struct client *client, const char *path)
{
	static char body[BODY_BYTES];
	static char text[BODY_BYTES + 512];
	int size = 0;
	int whole;

	for (size_t i = 0; i < events_a_post; i++)
		size += write_event(body + size, sizeof body - (size_t)size);
	whole = snprintf(text, sizeof text,
	        "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
	        "application/%s\r\n"
	        "Content-Length: %d\r\n\r\n%s",
	        path, events_a_post > 1 ? "x-ndjson" : "json", size, body);
	client->sent_us = clock_monotonic_us();
	assert(write(client->fd, text, (size_t)whole) == whole);
}

/* True when an answer is whole. */
static bool receive(struct client *client)
{
	static char rest[65536];
	size_t room = sizeof client->data - 1;
	bool begins = client->size < room;
	ssize_t got = begins ? read(client->fd, client->data + client->size,
	                      room - client->size)
	                     : read(client->fd, rest, sizeof rest);
	const char *end;
	const char *length;

	assert(got > 0);
	client->size += (size_t)got;
	if (begins)
		client->data[client->size] = '\0';
	end = strstr(client->data, "\r\n\r\n");
	length = strcasestr(client->data, "content-length:");
	if (end == NULL || length == NULL
	        || client->size < (size_t)(end + 4 - client->data)
	                                  + strtoul(length + 15, NULL, 10))
		return false;
	if (strncmp(client->data + 9, "201", 3) == 0) {
		if (answers < SAMPLES)
			latencies[answers++] = clock_monotonic_us() - client->sent_us;
		accepted += events_a_post;
	} else {
		refused += events_a_post;
	}
	client->size = 0;
	return true;
}

static int by_size(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a;
	int64_t right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

static void print(double seconds)
{
	size_t count = answers;

	qsort(latencies, count, sizeof *latencies, by_size);
	printf("{\"accepted\": %zu, \"refused\": %zu, \"rate\": %.0f, \"p50_us\": "
	       "%lld, "
	       "\"p99_us\": %lld}\n",
	        accepted, refused, (double)accepted / seconds,
	        count ? (long long)latencies[count / 2] : 0,
	        count ? (long long)latencies[count * 99 / 100] : 0);
}

int main(int argc, char **argv)
{
	struct epoll_event events[256];
	int connections = atoi(argv[3]);
	int64_t began = clock_monotonic_us();
	int64_t end = began + (int64_t)(atof(argv[4]) * 1e6);
	size_t most = argc > 5 ? strtoul(argv[5], NULL, 10) : SIZE_MAX;
	double rate = argc > 6 ? atof(argv[6]) : 0;
	int epoll = epoll_create1(0);
	struct client *idle[MOST]; /* a ring, so that none is left idle for long */
	int first = 0;
	int idle_count = 0;

	assert(argc > 4 && connections <= MOST);
	if (strcmp(argv[2], "/v1/batch") == 0)
		events_a_post = LINES;
	latencies = malloc(SAMPLES * sizeof *latencies);
	for (int i = 0; i < connections; i++) {
		struct epoll_event event = { .events = EPOLLIN,
			.data.ptr = &clients[i] };

		clients[i].fd = connect_to(atoi(argv[1]));
		epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event);
		idle[idle_count++] = &clients[i];
	}
	while (clock_monotonic_us() < end && accepted + refused < most) {
		double due =
		        rate > 0 ? rate * (double)(clock_monotonic_us() - began) / 1e6
		                 : 1e18;
		int count;

		while (idle_count > 0 && (double)sent < due && sent < most) {
			post(idle[first], argv[2]);
			first = (first + 1) % MOST;
			idle_count--;
		}
		count = epoll_wait(epoll, events, 256, rate > 0 ? 1 : 1000);
		for (int i = 0; i < count; i++)
			if (receive(events[i].data.ptr))
				idle[(first + idle_count++) % MOST] =
				        events[i].data.ptr;
	}
	print((double)(clock_monotonic_us() - began) / 1e6);
	free(latencies);
	return refused > 0;
}
