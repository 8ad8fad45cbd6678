/* The first network interface: packets are copied into pages of ours to be sent, and come in pages that the hypervisor exchanges for ours. */

#include "para.h"

#define BUFFERS 64

static struct network_ring *ring;
static u8 *sending, *receiving;         /* BUFFERS pages each */
static u8 is_sending[BUFFERS];
static u32 sent, received;              /* responses seen */
#define indices (&shared_info->net_idx[0])

void network_map(void)
{
    if (!start_info->net_rings[0])
        return;
    ring = paging_map_shared(start_info->net_rings[0]);
    sending = early_pages(BUFFERS);
    receiving = early_pages(BUFFERS);
}

/* Offers a page for a packet; the hypervisor is told later. */
static void offer(u32 id)
{
    u32 at = indices->rx_req_prod;

    ring->receive[at].request.id = id;
    ring->receive[at].request.entry = paging_entry_frame(receiving + id * PAGE);
    asm volatile("" : : : "memory");
    indices->rx_req_prod = (at + 1) % NETWORK_ENTRIES;
}

int machine_network_start(u8 address[6])
{
    if (!ring)
        return 0;
    memcpy(address, start_info->net_vmac[0], 6);
    indices->tx_event = NETWORK_ENTRIES;        /* no event for what has been sent */
    indices->rx_event = 1;
    for (u32 id = 0; id < BUFFERS; id++)
        offer(id);
    ask(XEN_NET_UPDATE, 0, 0, 0, 0);
    return 1;
}

void machine_network_send(const void *frame, u32 size)
{
    u32 at = indices->tx_req_prod, id;

    while (sent != indices->tx_resp_prod) {
        is_sending[ring->transmit[sent].response.id] = 0;
        sent = (sent + 1) % NETWORK_ENTRIES;
    }
    for (id = 0; id < BUFFERS && is_sending[id]; id++)
        ;
    if (id == BUFFERS)
        return;
    is_sending[id] = 1;
    memcpy(sending + id * PAGE, frame, size);
    ring->transmit[at].request.id = id;
    ring->transmit[at].request.size = size;
    ring->transmit[at].request.packet = machine_frame(sending + id * PAGE);
    asm volatile("" : : : "memory");
    indices->tx_req_prod = (at + 1) % NETWORK_ENTRIES;
    ask(XEN_NET_UPDATE, 0, 0, 0, 0);
}

void network_interrupt(void)
{
    if (!ring)
        return;
    do {
        u32 before = received;
        while (received != indices->rx_resp_prod) {
            u32 id = ring->receive[received].response.id, size = ring->receive[received].response.size;
            u32 status = ring->receive[received].response.status, offset = ring->receive[received].response.offset;
            received = (received + 1) % NETWORK_ENTRIES;
            if (status == NETWORK_BAD_PAGE)
                continue;
            paging_exchange(receiving + id * PAGE);
            if (status == NETWORK_OK)
                network_input(receiving + id * PAGE + offset, size);
            offer(id);
        }
        if (received != before)
            ask(XEN_NET_UPDATE, 0, 0, 0, 0);
        indices->rx_event = (received + 1) % NETWORK_ENTRIES;
        asm volatile("" : : : "memory");
    } while (received != indices->rx_resp_prod);        /* came before the mark was set */
}
