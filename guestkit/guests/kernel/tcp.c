/* TCP (RFC 793), as much as a server needs: connections that others open, data in order, and sending again what is not acknowledged in time. */

#include "network.h"

#define CONNECTIONS 16
#define LISTENERS 4
#define HEADER 20
#define FIN 1
#define SYN 2
#define RESET 4
#define PUSH 8
#define ACK 16
#define SEND_SIZE (4 * PAGE)
#define RECEIVE_SIZE PAGE
#define SEGMENT 1460
#define PATIENCE 300000000ull                   /* ns until data are sent again */
#define MOST_TRIES 12

enum tcp_state { CLOSED, SYN_RECEIVED, ESTABLISHED };

struct listener {
    u32 port;                                   /* 0: unused */
    struct queue waiting;
};

struct connection {
    enum tcp_state state;
    struct listener *listener;                  /* until it is accepted */
    struct peer peer;
    u32 port, peer_port;
    u32 acknowledged, sent, end;                /* sequence numbers: of what we send; `end` of the data that are in the buffer */
    u32 window;                                 /* the peer's */
    u32 expected;                               /* the next number that the peer sends */
    int closing, fin_sent, peer_closed, is_file;        /* closing: the program has closed it */
    u64 sent_time;
    int tries;
    u32 received, taken;                        /* of the receive buffer: counts, modulo its size */
    u8 *send[SEND_SIZE / PAGE], *receive;
    struct queue waiting;
};

static struct listener listeners[LISTENERS];
static struct connection connections[CONNECTIONS];

static u8 *send_byte(struct connection *c, u32 sequence)
{
    sequence %= SEND_SIZE;
    return c->send[sequence / PAGE] + sequence % PAGE;
}

static void send_segment(struct connection *c, u32 sequence, u32 flags, u32 size)
{
    u8 *packet = ip_packet();

    put16(packet, c->port);
    put16(packet + 2, c->peer_port);
    put32(packet + 4, sequence);
    put32(packet + 8, c->expected);
    packet[12] = HEADER / 4 << 4;
    packet[13] = flags;
    put16(packet + 14, RECEIVE_SIZE - (c->received - c->taken));
    put32(packet + 16, 0);
    for (u32 i = 0; i < size;) {
        u32 part = PAGE - (sequence + i) % PAGE;
        if (part > size - i)
            part = size - i;
        memcpy(packet + HEADER + i, send_byte(c, sequence + i), part);
        i += part;
    }
    put16(packet + 16, checksum(packet, HEADER + size, pseudo_sum(c->peer.address, PROTOCOL_TCP, HEADER + size)));
    ip_send(&c->peer, PROTOCOL_TCP, HEADER + size);
}

/* Answers what belongs to no connection. */
static void send_reset(const struct peer *to, const u8 *segment, u32 next)
{
    u8 *packet = ip_packet();
    u32 flags = segment[13], from = get16(segment), port = get16(segment + 2), acknowledged = get32(segment + 8);

    if (flags & RESET)
        return;
    memset(packet, 0, HEADER);
    put16(packet, port);
    put16(packet + 2, from);
    if (flags & ACK) {
        put32(packet + 4, acknowledged);
        packet[13] = RESET;
    } else {
        put32(packet + 8, next);
        packet[13] = RESET | ACK;
    }
    packet[12] = HEADER / 4 << 4;
    put16(packet + 16, checksum(packet, HEADER, pseudo_sum(to->address, PROTOCOL_TCP, HEADER)));
    ip_send(to, PROTOCOL_TCP, HEADER);
}

/* Gives the buffers back once neither the peer nor a program has the connection. */
static void release(struct connection *c)
{
    if (c->state != CLOSED || c->is_file)
        return;
    for (u32 i = 0; i < COUNT(c->send); i++)
        if (c->send[i])
            page_drop(c->send[i]);
    if (c->receive)
        page_drop(c->receive);
    memset(c, 0, sizeof *c);
}

static void end(struct connection *c)
{
    c->state = CLOSED;
    wake_all(&c->waiting);
    release(c);
}

/* Sends what may be sent now. */
static void output(struct connection *c)
{
    if (c->state != ESTABLISHED || c->fin_sent)
        return;
    while (c->sent != c->end) {
        u32 size = c->end - c->sent, in_flight = c->sent - c->acknowledged;
        if (in_flight >= c->window)
            break;
        if (size > SEGMENT)
            size = SEGMENT;
        if (size > c->window - in_flight)
            size = c->window - in_flight;
        send_segment(c, c->sent, ACK | PUSH, size);
        c->sent += size;
        c->sent_time = machine_clock();
    }
    if (c->closing && !c->fin_sent && c->sent == c->end) {
        send_segment(c, c->sent, ACK | FIN, 0);
        c->sent++;
        c->fin_sent = 1;
        c->sent_time = machine_clock();
    }
}

static struct listener *find_listener(u32 port)
{
    for (struct listener *l = listeners; l < listeners + LISTENERS; l++)
        if (l->port == port && port)
            return l;
    return NULL;
}

static struct connection *find_connection(const struct peer *from, u32 port, u32 peer_port)
{
    for (struct connection *c = connections; c < connections + CONNECTIONS; c++)
        if (c->state != CLOSED && c->peer.address == from->address && c->port == port && c->peer_port == peer_port)
            return c;
    return NULL;
}

/* A peer wants a connection. If there is no room, it will ask again. */
static void accept_syn(struct listener *listener, const struct peer *from, const u8 *segment)
{
    struct connection *c = connections;

    while (c < connections + CONNECTIONS && (c->state != CLOSED || c->is_file))
        c++;
    if (c == connections + CONNECTIONS)
        return;
    memset(c, 0, sizeof *c);
    c->receive = page_take();
    for (u32 i = 0; i < COUNT(c->send); i++)
        c->send[i] = page_take();
    if (!c->receive || !c->send[COUNT(c->send) - 1]) {
        release(c);
        return;
    }
    c->listener = listener;
    c->peer = *from;
    c->port = get16(segment + 2);
    c->peer_port = get16(segment);
    c->expected = get32(segment + 4) + 1;
    c->window = get16(segment + 14);
    c->acknowledged = (u32)machine_clock();
    c->sent = c->end = c->acknowledged + 1;
    c->state = SYN_RECEIVED;
    c->sent_time = machine_clock();
    send_segment(c, c->acknowledged, SYN | ACK, 0);
}

static void take_data(struct connection *c, const u8 *data, u32 sequence, u32 size, int fin)
{
    u32 skip = c->expected - sequence, room = RECEIVE_SIZE - (c->received - c->taken);

    if (skip > size || c->peer_closed)
        return;                                 /* of later, or long known: what is acknowledged says it */
    data += skip;
    size -= skip;
    if (size > room) {
        size = room;
        fin = 0;
    }
    for (u32 i = 0; i < size; i++)
        c->receive[(c->received + i) % RECEIVE_SIZE] = data[i];
    c->received += size;
    c->expected += size;
    if (fin) {
        c->expected++;
        c->peer_closed = 1;
    }
    wake_all(&c->waiting);
}

void tcp_input(const struct peer *from, const u8 *segment, u32 size)
{
    u32 header = size >= HEADER ? (segment[12] >> 4) * 4 : 0, flags, sequence, acknowledged, data_size;
    struct connection *c;
    struct listener *listener;

    if (header < HEADER || header > size || checksum(segment, size, pseudo_sum(from->address, PROTOCOL_TCP, size)))
        return;
    flags = segment[13];
    sequence = get32(segment + 4);
    acknowledged = get32(segment + 8);
    data_size = size - header;
    c = find_connection(from, get16(segment + 2), get16(segment));
    if (!c) {
        listener = find_listener(get16(segment + 2));
        if (listener && (flags & (SYN | ACK | RESET)) == SYN)
            accept_syn(listener, from, segment);
        else
            send_reset(from, segment, sequence + data_size + (flags & SYN ? 1 : 0) + (flags & FIN));
        return;
    }
    if (flags & RESET) {
        if (sequence - c->expected < RECEIVE_SIZE)
            end(c);
        return;
    }
    if (flags & SYN) {
        if (c->state == SYN_RECEIVED)
            send_segment(c, c->acknowledged, SYN | ACK, 0);
        return;
    }
    if (!(flags & ACK))
        return;
    if (acknowledged - c->acknowledged <= c->sent - c->acknowledged) {
        if (acknowledged != c->acknowledged) {
            c->tries = 0;
            c->sent_time = machine_clock();
        }
        c->acknowledged = acknowledged;
        c->window = get16(segment + 14);
        if (c->state == SYN_RECEIVED && acknowledged == c->sent) {
            c->state = ESTABLISHED;
            if (c->listener)
                wake_all(&c->listener->waiting);
        }
        wake_all(&c->waiting);
    }
    if (c->state == ESTABLISHED && (data_size || flags & FIN)) {
        take_data(c, segment + header, sequence, data_size, flags & FIN);
        send_segment(c, c->sent, ACK, 0);
    }
    output(c);
    if (c->fin_sent && c->acknowledged == c->sent && c->peer_closed)
        end(c);
}

/* Sends again, from the first byte that is not acknowledged, what the peer has not acknowledged in time. */
void tcp_tick(void)
{
    u64 now = machine_clock();

    for (struct connection *c = connections; c < connections + CONNECTIONS; c++) {
        if (c->state == CLOSED || now - c->sent_time < PATIENCE)
            continue;
        if (c->state == ESTABLISHED && c->acknowledged == c->sent && c->sent == c->end && !(c->fin_sent && c->closing))
            continue;                           /* nothing is owed to us */
        if (++c->tries > MOST_TRIES) {
            end(c);
            continue;
        }
        c->sent_time = now;
        if (c->state == SYN_RECEIVED) {
            send_segment(c, c->acknowledged, SYN | ACK, 0);
            continue;
        }
        if (c->fin_sent && c->acknowledged != c->sent)
            c->fin_sent = 0;
        if (c->acknowledged - c->end != 1)      /* else the FIN alone is acknowledged, and the peer has not closed yet */
            c->sent = c->acknowledged;
        if (c->window == 0 && c->sent != c->end)
            c->window = 1;                      /* asks whether there is room by now */
        output(c);
    }
}

/* Tells every peer where we stand: one that does not know a connection any more, like a network that ended with the machine where we were, resets it. Else
 * whoever waits for data of it would wait for ever. */
void tcp_moved(void)
{
    for (struct connection *c = connections; c < connections + CONNECTIONS; c++)
        if (c->state == SYN_RECEIVED)
            send_segment(c, c->acknowledged, SYN | ACK, 0);
        else if (c->state == ESTABLISHED)
            send_segment(c, c->sent, ACK, 0);
}

/* -- for programs */

int tcp_listen(u32 port, struct listener **listener)
{
    if (!network_is_there())
        return -ENODEV;
    if (port == 0 || port > 0xffff)
        return -EINVAL;
    if (find_listener(port))
        return -EBUSY;
    for (struct listener *l = listeners; l < listeners + LISTENERS; l++)
        if (!l->port) {
            l->port = port;
            *listener = l;
            return 0;
        }
    return -EMFILE;
}

void tcp_stop_listening(struct listener *listener)
{
    for (struct connection *c = connections; c < connections + CONNECTIONS; c++)
        if (c->state != CLOSED && c->listener == listener) {
            send_segment(c, c->sent, RESET | ACK, 0);
            end(c);
        }
    listener->port = 0;
}

int tcp_accept(struct listener *listener, struct connection **connection)
{
    for (;;) {
        for (struct connection *c = connections; c < connections + CONNECTIONS; c++)
            if (c->state == ESTABLISHED && c->listener == listener) {
                c->listener = NULL;
                c->is_file = 1;
                *connection = c;
                return 0;
            }
        if (sleep_on(&listener->waiting))
            return -EINTR;
    }
}

int tcp_read(struct connection *c, u8 *to, u32 size)
{
    u32 done = 0, before;

    while (c->received == c->taken) {
        if (c->peer_closed || c->state == CLOSED)
            return 0;
        if (sleep_on(&c->waiting))
            return -EINTR;
    }
    before = c->received - c->taken;
    while (done < size && c->taken != c->received)
        to[done++] = c->receive[c->taken++ % RECEIVE_SIZE];
    if (before > RECEIVE_SIZE / 2 && c->state == ESTABLISHED)
        send_segment(c, c->sent, ACK, 0);       /* there is room again */
    return done;
}

int tcp_write(struct connection *c, const u8 *from, u32 size)
{
    u32 done = 0;

    while (done < size) {
        u32 room = SEND_SIZE - (c->end - c->acknowledged), part = size - done;
        if (c->state == CLOSED)
            return done ? (int)done : -EPIPE;
        if (room == 0) {
            if (sleep_on(&c->waiting))
                return done ? (int)done : -EINTR;
            continue;
        }
        if (part > room)
            part = room;
        if (part > PAGE - c->end % PAGE)
            part = PAGE - c->end % PAGE;
        memcpy(send_byte(c, c->end), from + done, part);
        c->end += part;
        done += part;
        if (done == size || SEND_SIZE == c->end - c->acknowledged)
            output(c);
    }
    return done;
}

/* What was written is still sent. */
void tcp_close(struct connection *c)
{
    c->is_file = 0;
    c->closing = 1;
    output(c);
    release(c);
}
