/* A device: a connection, and the answer that comes in on it. */
#ifndef DEVICE_H
#define DEVICE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { HEAD_LIMIT = 8192 };

/* What all devices are told to do, and what came of it. */
struct plan {
    const char *address;
    int port, devices, requests, receive_buffer;
    double spacing, rate, seconds, hold;
    bool close;
    SSL_CTX *tls;
    char *request;
    size_t request_length;
    const char *expected;
    int64_t length;

    int epoll, finished;
    long good, failed, firsts;
    int64_t bytes;
    double *first_times, *last_times, took;
    char failure[160];
};

enum state { IDLE, CONNECTING, HANDSHAKING, SENDING, HEAD, BODY, DONE };

struct device {
    struct plan *plan;
    enum state state;
    int socket, requests;
    SSL *ssl;
    double began, body_began;
    bool first;
    size_t sent, head_length;
    int64_t expected, received;
    char head[HEAD_LIMIT + 1];
};

/* Seconds on a clock that only goes forward. */
double now(void);

/* End the program with one line of why. */
void fail(const char *what, const char *why) __attribute__((noreturn));

/* Connect, and begin the first request. */
void device_start(struct device *);

/* Go on: the socket can be read or written. */
void device_ready(struct device *);

/* Take what a device with a rate is due by now. */
void device_tick(struct device *);

#endif
