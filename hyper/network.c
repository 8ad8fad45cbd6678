/* A network in user space, by libslirp: see network.py. What is declared here of the library's interface is that of its configuration version 1,
   which later ones keep. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

enum { FRAMES = 256, FRAME = 2048, TIMERS = 16, SOCKETS = 1024 };

struct timer {
    void (*call)(void *argument);
    void *argument;
    int64_t due;                /* ms; negative: not running */
    bool used;
};

struct network {
    void *slirp;
    unsigned first, count;      /* of the frames for the guest */
    int sizes[FRAMES];
    char frames[FRAMES][FRAME];
    struct timer timers[TIMERS];
    struct pollfd sockets[SOCKETS];
    int polled;
    int descriptors[SOCKETS];   /* of all sockets that the library has, but for what is more than fits */
    int described;
};

struct callbacks {
    ssize_t (*send_packet)(const void *data, size_t size, void *network);
    void (*guest_error)(const char *text, void *network);
    int64_t (*clock_get_ns)(void *network);
    void *(*timer_new)(void (*call)(void *), void *argument, void *network);
    void (*timer_free)(void *timer, void *network);
    void (*timer_mod)(void *timer, int64_t due, void *network);
    void (*register_poll_fd)(int descriptor, void *network);
    void (*unregister_poll_fd)(int descriptor, void *network);
    void (*notify)(void *network);
};

struct configuration {
    uint32_t version;
    int restricted;
    bool in_enabled;
    struct in_addr network, mask, host;
    bool in6_enabled;
    struct in6_addr prefix6;
    uint8_t prefix6_size;
    struct in6_addr host6;
    const char *host_name, *tftp_server, *tftp_path, *boot_file;
    struct in_addr dhcp_start, name_server;
    struct in6_addr name_server6;
    const char **search_domains;
    const char *domain;
    size_t mtu, mru;
    bool disable_host_loopback;
    bool enable_emu;
    char later_versions[128];
};

static void *(*slirp_new)(const struct configuration *, const struct callbacks *, void *);
static void (*slirp_cleanup)(void *);
static void (*slirp_input)(void *, const uint8_t *, int);
static int (*slirp_add_hostfwd)(void *, int, struct in_addr, int, struct in_addr, int);
static int (*slirp_remove_hostfwd)(void *, int, struct in_addr, int);
static void (*slirp_pollfds_fill)(void *, uint32_t *, int (*)(int, int, void *), void *);
static void (*slirp_pollfds_poll)(void *, int, int (*)(int, void *), void *);

static ssize_t on_packet(const void *data, size_t size, void *opaque)
{
    struct network *network = opaque;
    if (network->count < FRAMES && size <= FRAME) {     /* else it is lost, as on a wire */
        unsigned at = (network->first + network->count) % FRAMES;
        memcpy(network->frames[at], data, size);
        network->sizes[at] = size;
        network->count++;
    }
    return size;
}

static void on_guest_error(const char *text, void *opaque)
{
}

static int64_t on_clock(void *opaque)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void *on_timer_new(void (*call)(void *), void *argument, void *opaque)
{
    struct network *network = opaque;
    for (int i = 0; i < TIMERS; i++)
        if (!network->timers[i].used) {
            network->timers[i] = (struct timer){call, argument, -1, true};
            return &network->timers[i];
        }
    return NULL;
}

static void on_timer_free(void *timer, void *opaque)
{
    if (timer)
        ((struct timer *)timer)->used = false;
}

static void on_timer_mod(void *timer, int64_t due, void *opaque)
{
    if (timer)
        ((struct timer *)timer)->due = due;
}

static void on_descriptor(int descriptor, void *opaque)
{
    struct network *network = opaque;
    if (network->described < SOCKETS)
        network->descriptors[network->described++] = descriptor;
}

static void on_descriptor_gone(int descriptor, void *opaque)
{
    struct network *network = opaque;
    for (int i = network->described; i-- > 0;)
        if (network->descriptors[i] == descriptor)
            network->descriptors[i] = network->descriptors[--network->described];
}

static void on_notify(void *opaque)
{
}

static const struct callbacks callbacks = {
    on_packet, on_guest_error, on_clock, on_timer_new, on_timer_free, on_timer_mod, on_descriptor, on_descriptor_gone,
    on_notify
};

/* The library's event bits and poll(2)'s. */
static const int event_bits[5][2] = {{1, POLLIN}, {2, POLLOUT}, {4, POLLPRI}, {8, POLLERR}, {16, POLLHUP}};

static int on_add_poll(int descriptor, int events, void *opaque)
{
    struct network *network = opaque;
    if (network->polled == SOCKETS)
        return -1;
    struct pollfd *entry = &network->sockets[network->polled];
    *entry = (struct pollfd){ .fd = descriptor };
    for (int i = 0; i < 5; i++)
        if (events & event_bits[i][0])
            entry->events |= event_bits[i][1];
    return network->polled++;
}

static int on_get_events(int index, void *opaque)
{
    struct network *network = opaque;
    int events = 0;
    if (index < 0)
        return 0;
    for (int i = 0; i < 5; i++)
        if (network->sockets[index].revents & event_bits[i][1])
            events |= event_bits[i][0];
    return events;
}

static bool find_library(void)
{
    static void *library;
    if (library)
        return true;
    void *found = dlopen("libslirp.so.0", RTLD_NOW);
    if (!found)
        return false;
    slirp_new = dlsym(found, "slirp_new");
    slirp_cleanup = dlsym(found, "slirp_cleanup");
    slirp_input = dlsym(found, "slirp_input");
    slirp_add_hostfwd = dlsym(found, "slirp_add_hostfwd");
    slirp_remove_hostfwd = dlsym(found, "slirp_remove_hostfwd");
    slirp_pollfds_fill = dlsym(found, "slirp_pollfds_fill");
    slirp_pollfds_poll = dlsym(found, "slirp_pollfds_poll");
    if (!slirp_new || !slirp_cleanup || !slirp_input || !slirp_add_hostfwd || !slirp_remove_hostfwd || !slirp_pollfds_fill || !slirp_pollfds_poll)
        return false;
    library = found;
    return true;
}

void *hyper_network_open(void)
{
    struct configuration configuration = { .version = 1, .in_enabled = true };
    if (!find_library())
        return NULL;
    struct network *network = calloc(1, sizeof *network);
    if (!network)
        return NULL;
    configuration.network.s_addr = htonl(0x0a000200);
    configuration.mask.s_addr = htonl(0xffffff00);
    configuration.host.s_addr = htonl(0x0a000202);
    configuration.name_server.s_addr = htonl(0x0a000203);
    configuration.dhcp_start.s_addr = htonl(0x0a00020f);
    network->slirp = slirp_new(&configuration, &callbacks, network);
    if (!network->slirp) {
        free(network);
        return NULL;
    }
    return network;
}

/* 0 if it could be done. */
long hyper_network_forward(void *opaque, long is_udp, long host_port, long address, long guest_port)
{
    struct network *network = opaque;
    struct in_addr host = { .s_addr = htonl(INADDR_LOOPBACK) }, guest = { .s_addr = htonl(address) };
    return slirp_add_hostfwd(network->slirp, is_udp, host, host_port, guest, guest_port);
}

/* Connections that came through the port are not touched. */
void hyper_network_end_forward(void *opaque, long is_udp, long host_port)
{
    struct network *network = opaque;
    struct in_addr host = { .s_addr = htonl(INADDR_LOOPBACK) };
    slirp_remove_hostfwd(network->slirp, is_udp, host, host_port);
}

/* Resets the TCP connections that came through a port. The library learns of it when it next looks at them. */
void hyper_network_reset(void *opaque, long host_port)
{
    struct network *network = opaque;
    const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
    for (int i = 0; i < network->described; i++) {
        struct sockaddr_in here, there;
        socklen_t size = sizeof here, size_there = sizeof there;
        int descriptor = network->descriptors[i], kind = 0;
        socklen_t kind_size = sizeof kind;
        if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &kind, &kind_size) || kind != SOCK_STREAM)
            continue;
        if (getsockname(descriptor, (struct sockaddr *)&here, &size) || here.sin_family != AF_INET || here.sin_port != htons(host_port))
            continue;
        if (getpeername(descriptor, (struct sockaddr *)&there, &size_there) == 0)
            connect(descriptor, &nobody, sizeof nobody);
    }
}

void hyper_network_close(void *opaque)
{
    struct network *network = opaque;
    slirp_cleanup(network->slirp);
    free(network);
}

void hyper_network_send(void *opaque, const char *frame, long size)
{
    struct network *network = opaque;
    slirp_input(network->slirp, (const uint8_t *)frame, size);
}

static void look(struct network *network)
{
    uint32_t timeout = 0;
    int64_t now = on_clock(network) / 1000000;
    network->polled = 0;
    slirp_pollfds_fill(network->slirp, &timeout, on_add_poll, network);
    int result = poll(network->sockets, network->polled, 0);
    slirp_pollfds_poll(network->slirp, result < 0, on_get_events, network);
    for (int i = 0; i < TIMERS; i++) {
        struct timer *timer = &network->timers[i];
        if (timer->used && timer->due >= 0 && timer->due <= now) {
            timer->due = -1;
            timer->call(timer->argument);
        }
    }
}

long hyper_network_receive(void *opaque, char *frame, long most)
{
    struct network *network = opaque;
    if (network->count == 0)
        look(network);
    if (network->count == 0)
        return 0;
    long size = network->sizes[network->first];
    if (size > most)
        size = most;
    memcpy(frame, network->frames[network->first], size);
    network->first = (network->first + 1) % FRAMES;
    network->count--;
    return size;
}
