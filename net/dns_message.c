/*
 * DNS messages: see dns_message.h.
 *
 * Names in messages may continue elsewhere by a pointer (RFC 1035, 4.1.4). Every pointer must lead
 * to an earlier byte than the part it ends, so that following them ends.
 */
#include "net/dns_message.h"

#include "lib/byteorder.h"
#include "lib/ctype.h"
#include "lib/string.h"

#define HEADER_SIZE      12
#define LABEL_MAX        63
#define POINTER_MASK     0xc0
#define FLAG_RESPONSE    0x8000
#define FLAG_OPCODE_MASK 0x7800
#define FLAG_TRUNCATED   0x0200
#define FLAG_RECURSION   0x0100
#define RCODE_MASK       0x000f
#define RCODE_NXDOMAIN   3
#define TYPE_A           1
#define TYPE_CNAME       5
#define TYPE_SOA         6
#define CLASS_IN         1
#define CNAME_CHAIN_MAX  16

bool dns_name_is_valid(const char *name)
{
    size_t length = strlen(name), label = 0;

    if (length > 0 && name[length - 1] == '.')
        length--;
    if (length == 0 || length >= DNS_NAME_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c == '.') {
            if (label == 0)
                return false;
            label = 0;
        } else if (c <= ' ' || c >= 0x7f || ++label > LABEL_MAX) {
            return false;
        }
    }
    return label > 0;
}

void dns_name_normalize(char normal[DNS_NAME_MAX], const char *name)
{
    size_t length = strlen(name);

    if (length > 0 && name[length - 1] == '.')
        length--;
    length = MIN(length, (size_t)DNS_NAME_MAX - 1);
    for (size_t i = 0; i < length; i++)
        normal[i] = to_lower(name[i]);
    normal[length] = '\0';
}

/* "a.bc" becomes 1 a 2 b c 0. @name is valid. Return: bytes written. */
static size_t put_name(uint8_t *to, const char *name)
{
    uint8_t *at = to;

    while (*name) {
        const char *dot = strchr(name, '.');
        size_t label = dot ? (size_t)(dot - name) : strlen(name);
        *at++ = (uint8_t)label;
        memcpy(at, name, label);
        at += label;
        name += label + (dot ? 1 : 0);
    }
    *at++ = 0;
    return (size_t)(at - to);
}

size_t dns_build_query(uint8_t query[DNS_QUERY_MAX], const char *name, uint16_t id)
{
    char normal[DNS_NAME_MAX];
    uint8_t *at = query + HEADER_SIZE;

    if (!dns_name_is_valid(name))
        return 0;
    dns_name_normalize(normal, name);
    memset(query, 0, HEADER_SIZE);
    store_be16(query, id);
    store_be16(query + 2, FLAG_RECURSION);
    store_be16(query + 4, 1); /* one question */
    at += put_name(at, normal);
    store_be16(at, TYPE_A);
    store_be16(at + 2, CLASS_IN);
    return (size_t)(at + 4 - query);
}

/* ---- reading ------------------------------------------------------------------------------- */

struct reader {
    const uint8_t *message;
    size_t length;
    size_t at;
    bool is_bad;
};

static bool has(struct reader *reader, size_t bytes)
{
    if (reader->length - reader->at < bytes)
        reader->is_bad = true;
    return !reader->is_bad;
}

static uint16_t read_u16(struct reader *reader)
{
    if (!has(reader, 2))
        return 0;
    reader->at += 2;
    return load_be16(reader->message + reader->at - 2);
}

static uint32_t read_u32(struct reader *reader)
{
    if (!has(reader, 4))
        return 0;
    reader->at += 4;
    return load_be32(reader->message + reader->at - 4);
}

/*
 * Append a label to @name, in lower case; what could not be typed as part of a name is a question
 * mark, for names are shown to people. Return: false when it grows too long.
 */
static bool append_label(char name[DNS_NAME_MAX], size_t *length, const uint8_t *label,
                         size_t count)
{
    if (*length + count + 1 >= DNS_NAME_MAX)
        return false;
    if (*length > 0)
        name[(*length)++] = '.';
    for (size_t i = 0; i < count; i++) {
        bool is_plain = label[i] > ' ' && label[i] < 0x7f && label[i] != '.';
        name[(*length)++] = is_plain ? to_lower((char)label[i]) : '?';
    }
    name[*length] = '\0';
    return true;
}

/* A name at the reader's place, as text; the reader goes on behind it. */
static void read_name(struct reader *reader, char name[DNS_NAME_MAX])
{
    size_t at = reader->at, limit = reader->at, length = 0;
    bool has_jumped = false;

    name[0] = '\0';
    for (;;) {
        if (at >= reader->length)
            goto bad;
        uint8_t byte = reader->message[at];
        if ((byte & POINTER_MASK) == POINTER_MASK) {
            if (at + 1 >= reader->length)
                goto bad;
            size_t target = (size_t)(byte & ~POINTER_MASK) << 8 | reader->message[at + 1];
            if (!has_jumped)
                reader->at = at + 2;
            has_jumped = true;
            if (target >= limit) /* only ever backwards */
                goto bad;
            at = limit = target;
            continue;
        }
        if (byte & POINTER_MASK || at + 1 + byte > reader->length)
            goto bad;
        if (byte == 0)
            break;
        if (!append_label(name, &length, reader->message + at + 1, byte))
            goto bad;
        at += 1u + byte;
    }
    if (!has_jumped)
        reader->at = at + 1;
    return;
bad:
    reader->is_bad = true;
}

struct record {
    char owner[DNS_NAME_MAX];
    uint16_t type, class_code;
    uint32_t ttl;
    size_t data, data_length; /* place in the message */
};

static void read_record(struct reader *reader, struct record *record)
{
    read_name(reader, record->owner);
    record->type = read_u16(reader);
    record->class_code = read_u16(reader);
    record->ttl = read_u32(reader);
    record->data_length = read_u16(reader);
    record->data = reader->at;
    if (has(reader, record->data_length))
        reader->at += record->data_length;
    if (record->ttl > INT32_MAX) /* RFC 2181, 8: negative means zero */
        record->ttl = 0;
}

/* Is it the answer to our question? @reader is behind the header afterwards. */
static __noinline enum dns_result check_header(struct reader *reader, const char *name, uint16_t id,
                                               uint16_t *flags, uint16_t counts[2])
{
    char question[DNS_NAME_MAX];

    if (reader->length < HEADER_SIZE)
        return DNS_MALFORMED;
    uint16_t answer_id = read_u16(reader);
    *flags = read_u16(reader);
    uint16_t questions = read_u16(reader);
    counts[0] = read_u16(reader);
    counts[1] = read_u16(reader);
    read_u16(reader);
    if (answer_id != id || !(*flags & FLAG_RESPONSE) || (*flags & FLAG_OPCODE_MASK))
        return DNS_NOT_MINE;
    if (questions != 1)
        return DNS_NOT_MINE;
    read_name(reader, question);
    uint16_t type = read_u16(reader), class_code = read_u16(reader);
    if (reader->is_bad || type != TYPE_A || class_code != CLASS_IN || strcmp(question, name) != 0)
        return DNS_NOT_MINE;
    return DNS_FOUND;
}

/*
 * One pass over the answers: the addresses of @wanted, or the name that it is an alias of. Records
 * may come in any order, so the caller makes a pass for each link of the chain.
 */
static __noinline bool pass(const struct reader *start, unsigned int count,
                            char wanted[DNS_NAME_MAX], struct dns_answer *answer, bool *is_alias)
{
    struct reader reader = *start;
    char target[DNS_NAME_MAX] = "";

    for (unsigned int i = 0; i < count && !reader.is_bad; i++) {
        struct record record;
        read_record(&reader, &record);
        if (reader.is_bad || record.class_code != CLASS_IN || strcmp(record.owner, wanted) != 0)
            continue;
        if (record.type == TYPE_A && record.data_length == 4 &&
            answer->address_count < DNS_ADDRESSES_MAX) {
            answer->addresses[answer->address_count++] = load_be32(reader.message + record.data);
            answer->ttl = MIN(answer->ttl, record.ttl);
        } else if (record.type == TYPE_CNAME && target[0] == '\0') {
            struct reader inner = { reader.message, record.data + record.data_length, record.data,
                                    false };
            read_name(&inner, target);
            if (inner.is_bad)
                return false;
            answer->ttl = MIN(answer->ttl, record.ttl);
        }
    }
    *is_alias = answer->address_count == 0 && target[0] != '\0';
    if (*is_alias)
        memcpy(wanted, target, DNS_NAME_MAX);
    return !reader.is_bad;
}

/* How long "no" holds: the SOA's TTL or its minimum, the lesser (RFC 2308, 5). */
static __noinline uint32_t negative_ttl(const struct reader *start, unsigned int answers,
                                        unsigned int authorities)
{
    struct reader reader = *start;
    struct record record;
    char ignored[DNS_NAME_MAX];

    for (unsigned int i = 0; i < answers + authorities; i++) {
        read_record(&reader, &record);
        if (reader.is_bad)
            break;
        if (i < answers || record.type != TYPE_SOA)
            continue;
        struct reader inner = { reader.message, record.data + record.data_length, record.data,
                                false };
        read_name(&inner, ignored);
        read_name(&inner, ignored);
        for (int field = 0; field < 4; field++)
            read_u32(&inner);
        uint32_t minimum = read_u32(&inner);
        if (!inner.is_bad)
            return MIN(MIN(record.ttl, minimum), (uint32_t)DNS_TTL_MAX);
    }
    return DNS_NEGATIVE_TTL;
}

static enum dns_result follow_chain(const struct reader *start, unsigned int count,
                                    const char *name, struct dns_answer *answer)
{
    char wanted[DNS_NAME_MAX];
    bool is_alias = true;

    dns_name_normalize(wanted, name);
    for (int link = 0; link < CNAME_CHAIN_MAX && is_alias; link++) {
        if (!pass(start, count, wanted, answer, &is_alias))
            return DNS_MALFORMED;
        if (is_alias)
            memcpy(answer->canonical_name, wanted, DNS_NAME_MAX);
    }
    return answer->address_count > 0 ? DNS_FOUND : DNS_NO_ADDRESS;
}

enum dns_result dns_parse_answer(const uint8_t *message, size_t length, const char *name,
                                 uint16_t id, struct dns_answer *answer)
{
    struct reader reader = { .message = message, .length = length };
    char normal[DNS_NAME_MAX];
    uint16_t flags, counts[2];

    memset(answer, 0, sizeof(*answer));
    answer->ttl = DNS_TTL_MAX;
    dns_name_normalize(normal, name);
    enum dns_result result = check_header(&reader, normal, id, &flags, counts);
    if (result != DNS_FOUND)
        return result;
    answer->rcode = flags & RCODE_MASK;
    if (flags & FLAG_TRUNCATED)
        return DNS_TRUNCATED;
    if (answer->rcode != 0 && answer->rcode != RCODE_NXDOMAIN)
        return DNS_FAILED;
    result = follow_chain(&reader, counts[0], normal, answer);
    if (result == DNS_NO_ADDRESS) {
        answer->ttl = negative_ttl(&reader, counts[0], counts[1]);
        if (answer->rcode == RCODE_NXDOMAIN)
            result = DNS_NO_NAME;
    }
    return result;
}
