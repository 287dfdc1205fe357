#include "device.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 1 << 18, READS_A_TURN = 64 };
static char buffer[BUFFER];

static void proceed(struct device *);

static void watch(struct device *device, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = device};
    if (epoll_ctl(device->plan->epoll, operation, device->socket, &event) < 0)
        fail("epoll", strerror(errno));
}

static void disconnect(struct device *device)
{
    if (device->ssl) {
        SSL_shutdown(device->ssl);
        SSL_free(device->ssl);
        device->ssl = NULL;
    }
    if (device->socket)
        close(device->socket);
    device->socket = 0;
}

static void finish(struct device *device)
{
    disconnect(device);
    device->state = DONE;
    device->plan->finished++;
}

/* The device has nothing more to ask, but keeps its connection until the program ends. */
static void stay(struct device *device)
{
    watch(device, EPOLL_CTL_MOD, 0);
    device->state = DONE;
    device->plan->finished++;
}

/* The device gives up: its other requests are not sent, and count as failed, too. */
static void broken(struct device *device, const char *why)
{
    struct plan *plan = device->plan;
    if (!plan->failed)
        snprintf(plan->failure, sizeof plan->failure, "%s after %lld bytes", why,
                 (long long)device->received);
    plan->failed += plan->requests - device->requests;
    finish(device);
}

static void new_request(struct device *device)
{
    device->sent = device->head_length = 0;
    device->received = device->expected = 0;
    device->first = false;
}

static void new_connection(struct device *device)
{
    struct plan *plan = device->plan;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(plan->port)};
    int yes = 1;
    new_request(device);
    inet_pton(AF_INET, plan->address, &address.sin_addr);
    device->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (device->socket < 0)
        fail("socket", strerror(errno));
    setsockopt(device->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (plan->receive_buffer)
        setsockopt(device->socket, SOL_SOCKET, SO_RCVBUF, &plan->receive_buffer, sizeof(int));
    if (connect(device->socket, (void *)&address, sizeof address) < 0 && errno != EINPROGRESS) {
        broken(device, strerror(errno));
        return;
    }
    device->state = CONNECTING;
    watch(device, EPOLL_CTL_ADD, EPOLLOUT);
}

void device_start(struct device *device)
{
    device->began = now();
    new_connection(device);
}

/* Whether an operation of OpenSSL has only to be tried again; asks epoll for what it waits for. */
static bool try_again(struct device *device, int result)
{
    int error = SSL_get_error(device->ssl, result);
    if (error == SSL_ERROR_WANT_READ)
        watch(device, EPOLL_CTL_MOD, EPOLLIN);
    else if (error == SSL_ERROR_WANT_WRITE)
        watch(device, EPOLL_CTL_MOD, EPOLLOUT);
    else
        return false;
    return true;
}

static void connected(struct device *device)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(device->socket, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        broken(device, strerror(error));
        return;
    }
    device->state = SENDING;
    if (device->plan->tls) {
        device->ssl = SSL_new(device->plan->tls);
        SSL_set_fd(device->ssl, device->socket);
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(device->ssl), device->plan->address);
        device->state = HANDSHAKING;
    }
    proceed(device);
}

static void handshake(struct device *device)
{
    ERR_clear_error();
    int result = SSL_connect(device->ssl);
    if (result == 1) {
        device->state = SENDING;
        proceed(device);
    } else if (!try_again(device, result)) {
        broken(device, "handshake failed");
    }
}

/* Requests are shorter than any send buffer: they go out at once or not at all. */
static void send_request(struct device *device)
{
    struct plan *plan = device->plan;
    ssize_t count = device->ssl
                        ? SSL_write(device->ssl, plan->request, plan->request_length)
                        : send(device->socket, plan->request, plan->request_length, MSG_NOSIGNAL);
    if (count != (ssize_t)plan->request_length) {
        broken(device, "request not taken");
        return;
    }
    device->state = HEAD;
    watch(device, EPOLL_CTL_MOD, EPOLLIN);
}

/* Read at most *limit* bytes: how many, 0 at the end or after an error, -1 if none are there yet. */
static ssize_t receive(struct device *device, size_t limit)
{
    if (device->ssl) {
        ERR_clear_error();
        int count = SSL_read(device->ssl, buffer, limit);
        if (count > 0)
            return count;
        return SSL_get_error(device->ssl, count) == SSL_ERROR_WANT_READ ? -1 : 0;
    }
    ssize_t count = recv(device->socket, buffer, limit, 0);
    if (count < 0)
        return errno == EAGAIN ? -1 : 0;
    return count;
}

static void answered(struct device *device)
{
    struct plan *plan = device->plan;
    plan->last_times[plan->good++] = now() - device->began;
    if (++device->requests == plan->requests) {
        if (plan->hold)
            stay(device);
        else
            finish(device);
        return;
    }
    device->began = now();
    if (plan->close) {
        disconnect(device);
        new_connection(device);
    } else {
        new_request(device);
        device->state = SENDING;
        proceed(device);
    }
}

static void take_body(struct device *device, const char *bytes, size_t count)
{
    struct plan *plan = device->plan;
    if (!device->first) {
        device->first = true;
        plan->first_times[plan->firsts++] = now() - device->began;
    }
    if (device->received + (int64_t)count > device->expected ||
        memcmp(bytes, plan->expected + device->received, count)) {
        broken(device, "wrong bytes");
        return;
    }
    device->received += count;
    plan->bytes += count;
    if (device->received == device->expected)
        answered(device);
}

/* Judge the head: what the answer's length has to be is known. */
static bool good_head(struct device *device)
{
    const char *length = strcasestr(device->head, "\r\ncontent-length:");
    int status = 0;
    sscanf(device->head, "HTTP/1.%*d %d", &status);
    if (status != 200 && status != 204) {
        char line[64];
        snprintf(line, sizeof line, "%.12s", device->head);
        broken(device, line);
        return false;
    }
    device->expected = length ? atoll(length + 17) : 0;
    if (device->expected != device->plan->length || (!length && status != 204)) {
        broken(device, "wrong Content-Length");
        return false;
    }
    return true;
}

static void take_head(struct device *device, size_t count)
{
    size_t room = HEAD_LIMIT - device->head_length, before = device->head_length;
    size_t copied = count < room ? count : room;
    memcpy(device->head + before, buffer, copied);
    device->head[device->head_length += copied] = 0;
    char *end = strstr(device->head, "\r\n\r\n");
    if (!end) {
        if (copied == room)
            broken(device, "endless head");
        return;
    }
    size_t rest = count - (end + 4 - (device->head + before));
    end[2] = 0;
    if (!good_head(device))
        return;
    device->state = BODY;
    device->body_began = now();
    if (device->plan->rate && device->expected)
        watch(device, EPOLL_CTL_MOD, 0);
    if (rest)
        take_body(device, buffer + count - rest, rest);
    else if (!device->expected) {
        device->plan->first_times[device->plan->firsts++] = now() - device->began;
        answered(device);
    }
}

/* Take what is there, but not so much that the other devices wait long. */
static void receive_answer(struct device *device)
{
    for (int turn = 0; turn < READS_A_TURN; turn++) {
        if (device->state == BODY && device->plan->rate)
            return;
        ssize_t count = receive(device, device->plan->rate ? 2048 : BUFFER);
        if (count < 0)
            return;
        if (count == 0) {
            broken(device, "connection closed");
            return;
        }
        int requests = device->requests;
        if (device->state == HEAD)
            take_head(device, count);
        else
            take_body(device, buffer, count);
        if (device->state == DONE || device->requests != requests)
            return;
    }
}

static void proceed(struct device *device)
{
    switch (device->state) {
    case CONNECTING: connected(device); break;
    case HANDSHAKING: handshake(device); break;
    case SENDING: send_request(device); break;
    case HEAD:
    case BODY: receive_answer(device); break;
    default: break;
    }
}

void device_ready(struct device *device) { proceed(device); }

void device_tick(struct device *device)
{
    while (device->state == BODY) {
        int64_t due = (now() - device->body_began) * device->plan->rate - device->received;
        if (due <= 0)
            return;
        ssize_t count = receive(device, due < BUFFER ? due : BUFFER);
        if (count < 0)
            return;
        if (count == 0)
            broken(device, "connection closed");
        else
            take_body(device, buffer, count);
    }
}
