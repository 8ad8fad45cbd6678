/* The network: what its files offer one another. Numbers in headers are big-endian; 16- and 32-bit fields are read and written byte by byte. */
#ifndef NETWORK_H
#define NETWORK_H

#include "kernel.h"

#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define IP_HEADER 20
#define ETHERNET_HEADER 14
#define MOST_IP_DATA (1500 - IP_HEADER)

/* The other side of a datagram: packets go back to where they came from, so nobody has to be asked for an Ethernet address. */
struct peer {
    u32 address;
    u8 ethernet[6];
};

static inline u32 get16(const u8 *at) { return at[0] << 8 | at[1]; }
static inline u32 get32(const u8 *at) { return get16(at) << 16 | get16(at + 2); }
static inline void put16(u8 *at, u32 value) { at[0] = value >> 8; at[1] = value; }
static inline void put32(u8 *at, u32 value) { put16(at, value >> 16); put16(at + 2, value); }

extern u32 network_address;                     /* ours */
u16 checksum(const u8 *data, u32 size, u32 sum);                /* of the Internet protocols; `sum` begins it */
u32 pseudo_sum(u32 other, u32 protocol, u32 size);              /* what UDP's and TCP's begin with */
u8 *ip_packet(void);                            /* where the data of a packet to send are built */
void ip_send(const struct peer *to, u32 protocol, u32 size);    /* sends what was built there */
extern u32 network_probes_returned;
void network_probe(const struct peer *to, u32 size);            /* sends a datagram of so many bytes to the echo service of another */
void tcp_input(const struct peer *from, const u8 *data, u32 size);
void tcp_tick(void);
void tcp_moved(void);

#endif
