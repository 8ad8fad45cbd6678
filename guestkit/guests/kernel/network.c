/* Ethernet, ARP (RFC 826), IP (RFC 791) without fragments and options, ICMP echo (RFC 792), and UDP (RFC 768) with the echo service on port 7
 * (RFC 862). All of it runs as packets come, with interrupts off. */

#include "network.h"

#define TYPE_IP 0x0800
#define TYPE_ARP 0x0806
#define ARP_SIZE 28
#define ARP_REQUEST 1
#define ARP_REPLY 2
#define ECHO_REQUEST 8
#define ECHO_PORT 7
#define PROBE_PORT 7007
#define DEFAULT_ADDRESS 0x0a00020f              /* 10.0.2.15, and on from there for further domains */
#define TIME_TO_LIVE 64

u32 network_address, network_probes_returned;
static u8 ethernet[6], frame[ETHERNET_HEADER + 1500];
static int started;

/* "ip=A.B.C.D" on the command line. */
static u32 parse_address(const char *text)
{
    u32 address = 0, part = 0;

    for (;; text++) {
        if (*text >= '0' && *text <= '9') {
            part = part * 10 + *text - '0';
        } else {
            address = address << 8 | (part & 0xff);
            part = 0;
            if (*text != '.')
                return address;
        }
    }
}

void network_start(const char *address)
{
    if (!machine_network_start(ethernet))
        return;
    network_address = address ? parse_address(address) : DEFAULT_ADDRESS + boot.number;
    started = 1;
    print("kernel: network at %u.%u.%u.%u\n", network_address >> 24, network_address >> 16 & 0xff, network_address >> 8 & 0xff, network_address & 0xff);
}

int network_is_there(void)
{
    return started;
}

void network_tick(void)
{
    if (started)
        tcp_tick();
}

u16 checksum(const u8 *data, u32 size, u32 sum)
{
    for (; size > 1; data += 2, size -= 2)
        sum += get16(data);
    if (size)
        sum += data[0] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

u32 pseudo_sum(u32 other, u32 protocol, u32 size)
{
    return (other >> 16) + (other & 0xffff) + (network_address >> 16) + (network_address & 0xffff) + protocol + size;
}

static void ethernet_send(const u8 *to, u32 type, u32 size)
{
    memcpy(frame, to, 6);
    memcpy(frame + 6, ethernet, 6);
    put16(frame + 12, type);
    machine_network_send(frame, ETHERNET_HEADER + size);
}

u8 *ip_packet(void)
{
    return frame + ETHERNET_HEADER + IP_HEADER;
}

void ip_send(const struct peer *to, u32 protocol, u32 size)
{
    u8 *header = frame + ETHERNET_HEADER;
    static u16 identification;

    memset(header, 0, IP_HEADER);
    header[0] = 0x45;
    put16(header + 2, IP_HEADER + size);
    put16(header + 4, identification++);
    put16(header + 6, 0x4000);                  /* not to be cut into fragments */
    header[8] = TIME_TO_LIVE;
    header[9] = protocol;
    put32(header + 12, network_address);
    put32(header + 16, to->address);
    put16(header + 10, checksum(header, IP_HEADER, 0));
    ethernet_send(to->ethernet, TYPE_IP, IP_HEADER + size);
}

static void arp_input(const u8 *data, u32 size)
{
    u8 *reply = frame + ETHERNET_HEADER;

    if (size < ARP_SIZE || get32(data) != 0x00010800 || get16(data + 4) != 0x0604 || get16(data + 6) != ARP_REQUEST || get32(data + 24) != network_address)
        return;
    memcpy(reply, data, 6);
    put16(reply + 6, ARP_REPLY);
    memcpy(reply + 8, ethernet, 6);
    put32(reply + 14, network_address);
    memcpy(reply + 18, data + 8, 10);           /* who has asked */
    ethernet_send(data + 8, TYPE_ARP, ARP_SIZE);
}

/* Switches learn where our Ethernet address is now, and peers whether they still know our connections. */
void network_moved(void)
{
    static const u8 all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    u8 *request = frame + ETHERNET_HEADER;

    if (!started)
        return;
    memset(request, 0, ARP_SIZE);
    put32(request, 0x00010800);
    put16(request + 4, 0x0604);
    put16(request + 6, ARP_REQUEST);
    memcpy(request + 8, ethernet, 6);
    put32(request + 14, network_address);
    put32(request + 24, network_address);
    ethernet_send(all, TYPE_ARP, ARP_SIZE);
    tcp_moved();
}

static void icmp_input(const struct peer *from, const u8 *data, u32 size)
{
    u8 *reply = ip_packet();

    if (size < 8 || data[0] != ECHO_REQUEST || checksum(data, size, 0))
        return;
    memcpy(reply, data, size);
    reply[0] = 0;
    put16(reply + 2, 0);
    put16(reply + 2, checksum(reply, size, 0));
    ip_send(from, PROTOCOL_ICMP, size);
}

void network_probe(const struct peer *to, u32 size)
{
    u8 *packet = ip_packet();

    put16(packet, PROBE_PORT);
    put16(packet + 2, ECHO_PORT);
    put16(packet + 4, 8 + size);
    put16(packet + 6, 0);                       /* no checksum */
    memset(packet + 8, 0x55, size);
    ip_send(to, PROTOCOL_UDP, 8 + size);
}

static void udp_input(const struct peer *from, const u8 *data, u32 size)
{
    u8 *reply = ip_packet();
    u32 length = size >= 8 ? get16(data + 4) : 0;
    u16 sum;

    if (length < 8 || length > size)
        return;
    if (get16(data + 6) && checksum(data, length, pseudo_sum(from->address, PROTOCOL_UDP, length)))
        return;
    if (get16(data + 2) == PROBE_PORT)
        network_probes_returned++;
    if (get16(data + 2) != ECHO_PORT)
        return;
    memcpy(reply, data, length);
    put16(reply, ECHO_PORT);
    put16(reply + 2, get16(data));
    put16(reply + 6, 0);
    sum = checksum(reply, length, pseudo_sum(from->address, PROTOCOL_UDP, length));
    put16(reply + 6, sum ? sum : 0xffff);
    ip_send(from, PROTOCOL_UDP, length);
}

static void ip_input(const u8 *sender, const u8 *data, u32 size)
{
    struct peer from;
    u32 header, length;

    if (size < IP_HEADER || data[0] >> 4 != 4)
        return;
    header = (data[0] & 0xf) * 4;
    length = get16(data + 2);
    if (header < IP_HEADER || length < header || length > size || get32(data + 16) != network_address || (get16(data + 6) & 0x3fff)
        || checksum(data, header, 0))
        return;
    from.address = get32(data + 12);
    memcpy(from.ethernet, sender, 6);
    data += header;
    length -= header;
    if (length > MOST_IP_DATA)
        return;
    if (data[-(int)header + 9] == PROTOCOL_ICMP)
        icmp_input(&from, data, length);
    else if (data[-(int)header + 9] == PROTOCOL_UDP)
        udp_input(&from, data, length);
    else if (data[-(int)header + 9] == PROTOCOL_TCP)
        tcp_input(&from, data, length);
}

void network_input(const u8 *data, u32 size)
{
    if (size < ETHERNET_HEADER)
        return;
    if (get16(data + 12) == TYPE_ARP)
        arp_input(data + ETHERNET_HEADER, size - ETHERNET_HEADER);
    else if (get16(data + 12) == TYPE_IP)
        ip_input(data + 6, data + ETHERNET_HEADER, size - ETHERNET_HEADER);
}
