/*
 * Load generator: devices that ask an HTTP server for one thing, and judge each byte of the answer.
 *
 * One thread, epoll, OpenSSL. What came is compared with what had to come, so no broken answer
 * passes for a quick one. Prints one JSON object; times are in seconds.
 */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256 };
/* How often devices with a rate of their own take what they are due. */
static const double TICK = 0.1;

static const char USAGE[] =
    "load [options] ADDRESS PORT TARGET\n"
    "  --devices N        so many devices, each with a connection (1)\n"
    "  --requests N       each sends so many requests, one after the other (1)\n"
    "  --spacing SECONDS  from the start of one device to that of the next (0)\n"
    "  --close            a new connection for each request\n"
    "  --header LINE      one more header line in each request\n"
    "  --expect FILE      what each answer has to be; without it, empty\n"
    "  --rate BYTES       a second that a device takes of an answer (as fast as it can)\n"
    "  --receive BYTES    a device's receive buffer (the kernel's choice)\n"
    "  --ca FILE          TLS, with these authorities\n"
    "  --certificate FILE and --key FILE: show a certificate\n"
    "  --seconds N        end then, whether all is done or not (600)\n"
    "  --hold SECONDS     connections are kept so long after the last answer (0)\n";

double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

void fail(const char *what, const char *why)
{
    fprintf(stderr, "load: %s: %s\n", what, why);
    exit(2);
}

static void expect_file(struct plan *plan, const char *path)
{
    struct stat status;
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &status) < 0)
        fail(path, strerror(errno));
    plan->length = status.st_size;
    plan->expected = mmap(NULL, plan->length, PROT_READ, MAP_SHARED, file, 0);
    if (plan->expected == MAP_FAILED)
        fail(path, strerror(errno));
    close(file);
}

static void use_tls(struct plan *plan, const char *ca, const char *certificate, const char *key)
{
    plan->tls = SSL_CTX_new(TLS_client_method());
    if (!SSL_CTX_load_verify_locations(plan->tls, ca, NULL))
        fail(ca, "no usable certificates");
    SSL_CTX_set_verify(plan->tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(plan->tls, SSL_SESS_CACHE_OFF);
    /* Servers that close without a goodbye are judged by the length of their answers. */
    SSL_CTX_set_options(plan->tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (certificate && (!SSL_CTX_use_certificate_chain_file(plan->tls, certificate) ||
                        !SSL_CTX_use_PrivateKey_file(plan->tls, key, SSL_FILETYPE_PEM)))
        fail(certificate, "not a certificate with its key");
}

static struct plan read_plan(int count, char **arguments)
{
    static const struct option options[] = {
        {"devices", 1, 0, 'd'}, {"requests", 1, 0, 'r'}, {"spacing", 1, 0, 'i'},
        {"close", 0, 0, 'c'},   {"header", 1, 0, 'h'},   {"expect", 1, 0, 'e'},
        {"rate", 1, 0, 'b'},    {"receive", 1, 0, 'w'},  {"ca", 1, 0, 'a'},
        {"certificate", 1, 0, 'p'}, {"key", 1, 0, 'k'},  {"seconds", 1, 0, 's'},
        {"hold", 1, 0, 'o'},    {0}};
    struct plan plan = {.devices = 1, .requests = 1, .seconds = 600};
    const char *header = NULL, *ca = NULL, *certificate = NULL, *key = NULL;
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        switch (option) {
        case 'd': plan.devices = atoi(optarg); break;
        case 'r': plan.requests = atoi(optarg); break;
        case 'i': plan.spacing = atof(optarg); break;
        case 'c': plan.close = true; break;
        case 'h': header = optarg; break;
        case 'e': expect_file(&plan, optarg); break;
        case 'b': plan.rate = atof(optarg); break;
        case 'w': plan.receive_buffer = atoi(optarg); break;
        case 'a': ca = optarg; break;
        case 'p': certificate = optarg; break;
        case 'k': key = optarg; break;
        case 's': plan.seconds = atof(optarg); break;
        case 'o': plan.hold = atof(optarg); break;
        default: fputs(USAGE, stderr); exit(2);
        }
    }
    if (count - optind != 3 || plan.devices < 1 || plan.requests < 1) {
        fputs(USAGE, stderr);
        exit(2);
    }
    plan.address = arguments[optind];
    plan.port = atoi(arguments[optind + 1]);
    if (ca)
        use_tls(&plan, ca, certificate, key);
    plan.request_length = asprintf(
        &plan.request, "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: bench\r\n%s%s%s\r\n",
        arguments[optind + 2], plan.address, plan.port, header ? header : "", header ? "\r\n" : "",
        plan.close ? "Connection: close\r\n" : "");
    return plan;
}

/* Let the devices go until all are done or the time is up. */
static void run(struct plan *plan, struct device *devices)
{
    struct epoll_event events[EVENTS];
    double began = now(), tick = began;
    int started = 0;
    plan->epoll = epoll_create1(0);
    while (plan->finished < plan->devices && now() - began < plan->seconds) {
        double time = now();
        while (started < plan->devices && began + started * plan->spacing <= time)
            device_start(&devices[started++]);
        if (plan->rate && time >= tick) {
            for (int each = 0; each < started; each++)
                device_tick(&devices[each]);
            tick = time + TICK;
        }
        double due = tick + (plan->rate ? 0 : 3600);
        if (started < plan->devices && began + started * plan->spacing < due)
            due = began + started * plan->spacing;
        if (began + plan->seconds < due)
            due = began + plan->seconds;
        double wait = (due - now()) * 1000;
        int count = epoll_wait(plan->epoll, events, EVENTS, wait > 0 ? (int)wait + 1 : 0);
        for (int each = 0; each < count; each++)
            device_ready(events[each].data.ptr);
    }
    plan->took = now() - began;
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static void print_times(const char *name, double *times, long count)
{
    qsort(times, count, sizeof *times, compare);
    if (count)
        printf(", \"%s_p50\": %.6f, \"%s_p99\": %.6f, \"%s_max\": %.6f", name, times[count / 2],
               name, times[(long)((count - 1) * 0.99)], name, times[count - 1]);
}

static void report(struct plan *plan)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
                 (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"good\": %ld, \"failed\": %ld, \"bytes\": %lld, \"seconds\": %.6f, \"cpu\": %.6f",
           plan->good, plan->failed, (long long)plan->bytes, plan->took, cpu);
    print_times("first", plan->first_times, plan->firsts);
    print_times("last", plan->last_times, plan->good);
    printf(", \"failure\": \"%s\"}\n", plan->failure);
}

int main(int count, char **arguments)
{
    struct plan plan = read_plan(count, arguments);
    struct device *devices = calloc(plan.devices, sizeof *devices);
    plan.first_times = calloc((size_t)plan.devices * plan.requests, sizeof(double));
    plan.last_times = calloc((size_t)plan.devices * plan.requests, sizeof(double));
    for (int each = 0; each < plan.devices; each++)
        devices[each].plan = &plan;
    run(&plan, devices);
    usleep(plan.hold * 1e6);
    report(&plan);
    return 0;
}
