/*
 * Instance metadata by HTTP from 169.254.169.254, the address that clouds answer at themselves:
 * Google's, where the attribute "nos" is the text, and the EC2 style, where the user data is.
 *
 * Google's server must say "Metadata-Flavor: Google" in every answer, as it must be said to it:
 * that keeps a stray web server from being believed. EC2's is asked for a token first (IMDSv2); one
 * that knows nothing of tokens answers 404 or 405, and is asked without. Redirects are not
 * followed: metadata comes from there or not at all.
 *
 * Above: kernel/metadata.c, which tries again. Below: the HTTP client, DHCP.
 */
#include "kernel/log.h"
#include "kernel/metadata.h"
#include "kernel/sync/wait_queue.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kmalloc.h"
#include "net/dhcp.h"
#include "net/http.h"
#include "net/netdev.h"

#define SERVER        "http://169.254.169.254"
#define GCE_TEXT      SERVER "/computeMetadata/v1/instance/attributes/nos"
#define GCE_FLAVOR    "Google"
#define EC2_TOKEN     SERVER "/latest/api/token"
#define EC2_TEXT      SERVER "/latest/user-data"
#define TOKEN_SECONDS "60"
#define TOKEN_MAX     256

/* ---- a way to ask ---------------------------------------------------------------------------- */

static DEFINE_WAIT_QUEUE(address_changed, "metadata address");

static void netdev_event(struct netdev_listener *listener __maybe_unused,
                         struct netdev *netdev __maybe_unused,
                         enum netdev_event event __maybe_unused)
{
    wake_all(&address_changed);
}

static struct netdev *next_link(struct netdev *netdev)
{
    do
        netdev = netdev_next(netdev);
    while (netdev && netdev->features & NETDEV_LOOPBACK);
    return netdev;
}

static bool has_address(void)
{
    for (struct netdev *netdev = next_link(NULL); netdev; netdev = next_link(netdev))
        if (interface_ipv4(&netdev->interface))
            return true;
    return false;
}

/* Without ip= the address comes by DHCP, asked for if dhcp=auto has not done so. */
static int wait_for_address(struct metadata_text *text)
{
    static struct netdev_listener listener = { .event = netdev_event };

    netdev_listen(&listener);
    if (!has_address())
        for (struct netdev *netdev = next_link(NULL); netdev; netdev = next_link(netdev)) {
            int error = dhcp_start(netdev);
            if (error)
                log_debug("metadata", "%s: no DHCP: %s", netdev->name, errno_text(error));
        }
    int error = wait_event(&address_changed, has_address(), text->deadline_ns);
    if (error == -ETIMEDOUT)
        snprintf(text->problem, sizeof(text->problem), "no network address");
    return error;
}

/* ---- one request ----------------------------------------------------------------------------- */

struct answer {
    char *bytes;
    size_t size, length;
    unsigned int status;
    bool is_wanted; /* not an error page */
    bool is_google;
};

static int on_headers(void *context, const struct http_parser *response)
{
    struct answer *answer = context;

    answer->is_wanted = response->status == 200;
    answer->is_google = strcmp(response->extra, GCE_FLAVOR) == 0;
    return 0;
}

static int on_body(void *context, const uint8_t *data, size_t length)
{
    struct answer *answer = context;

    if (!answer->is_wanted)
        return 0;
    if (length > answer->size - answer->length)
        return -EFBIG;
    memcpy(answer->bytes + answer->length, data, length);
    answer->length += length;
    return 0;
}

/* Troubles of the network may pass; of what is said they do not. */
static int is_passing(int error)
{
    switch (error) {
    case -ETIMEDOUT:
    case -ECONNREFUSED:
    case -ECONNRESET:
    case -EPIPE:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -ENETDOWN:
        return true;
    default:
        return false;
    }
}

static int ask(struct http_client *client, const char *where, const struct http_request *request,
               struct answer *answer, struct metadata_text *text)
{
    const struct http_receiver receiver = { .headers = on_headers,
                                            .body = on_body,
                                            .context = answer };
    struct http_url *url = kmalloc(sizeof(*url));
    int error = url ? http_url_parse(where, url) : -ENOMEM;

    answer->length = 0;
    if (!error)
        error = http_fetch(client, url, request, &receiver, &answer->status, text->problem,
                           sizeof(text->problem));
    kfree(url);
    if (error == -EFBIG)
        snprintf(text->problem, sizeof(text->problem), "an answer of more than %zu bytes",
                 answer->size);
    return is_passing(error) ? -EAGAIN : error;
}

/* What the status says of the text. */
static int judge(const struct answer *answer, const char *what, struct metadata_text *text)
{
    if (answer->status == 200)
        return 0;
    snprintf(text->problem, sizeof(text->problem), "%s: the server answers %u %s", what,
             answer->status, http_status_text(answer->status));
    if (answer->status == 404)
        return -ENOENT;
    return answer->status >= 500 || answer->status == 429 ? -EAGAIN : -EPROTO;
}

/* Give @ask_with a client of its own for one try. */
static int with_client(struct metadata_text *text,
                       int (*ask_with)(struct http_client *client, struct metadata_text *text))
{
    struct http_client *client = http_client_create();
    int error = client ? ask_with(client, text) : -ENOMEM;

    http_client_destroy(client);
    return error;
}

/* ---- Google ---------------------------------------------------------------------------------- */

static int gce_ask(struct http_client *client, struct metadata_text *text)
{
    const struct http_request request = { .headers = "Metadata-Flavor: " GCE_FLAVOR "\r\n",
                                          .extra_header = "metadata-flavor",
                                          .keeps_redirects = true,
                                          .deadline_ns = text->deadline_ns };
    struct answer answer = { .bytes = text->bytes, .size = METADATA_TEXT_MAX };
    int error = ask(client, GCE_TEXT, &request, &answer, text);

    if (error)
        return error;
    if (!answer.is_google) {
        snprintf(text->problem, sizeof(text->problem),
                 "an answer without \"Metadata-Flavor: " GCE_FLAVOR "\" is not believed");
        return -EPROTO;
    }
    text->length = answer.length;
    return judge(&answer, "the attribute nos", text);
}

static int gce_read(struct metadata_text *text)
{
    return with_client(text, gce_ask);
}
METADATA_SOURCE(gce, { .name = "gce", .prepare = wait_for_address, .read = gce_read });

/* ---- EC2 ------------------------------------------------------------------------------------- */

static bool is_token(const char *token)
{
    size_t length = strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789+/=-_.~");

    return length > 0 && token[length] == '\0';
}

/* Return: 0 with a token, or "" when the server knows of none. */
static int ec2_get_token(struct http_client *client, char token[TOKEN_MAX + 1],
                         struct metadata_text *text)
{
    const struct http_request request = {
        .method = "PUT",
        .headers = "X-aws-ec2-metadata-token-ttl-seconds: " TOKEN_SECONDS "\r\n"
                   "Content-Length: 0\r\n",
        .keeps_redirects = true,
        .deadline_ns = text->deadline_ns,
    };
    struct answer answer = { .bytes = text->bytes, .size = METADATA_TEXT_MAX };
    int error = ask(client, EC2_TOKEN, &request, &answer, text);

    token[0] = '\0';
    if (error || answer.status == 404 || answer.status == 405)
        return error;
    error = judge(&answer, "a token", text);
    if (error)
        return error;
    if (answer.length <= TOKEN_MAX) {
        memcpy(token, answer.bytes, answer.length);
        token[answer.length] = '\0';
    }
    if (is_token(token))
        return 0;
    snprintf(text->problem, sizeof(text->problem), "what came is no token");
    return -EPROTO;
}

static int ec2_ask(struct http_client *client, struct metadata_text *text)
{
    char token[TOKEN_MAX + 1], header[TOKEN_MAX + 64];
    struct http_request request = { .keeps_redirects = true, .deadline_ns = text->deadline_ns };
    struct answer answer = { .bytes = text->bytes, .size = METADATA_TEXT_MAX };
    int error = ec2_get_token(client, token, text);

    if (error)
        return error;
    if (token[0]) {
        snprintf(header, sizeof(header), "X-aws-ec2-metadata-token: %s\r\n", token);
        request.headers = header;
    }
    error = ask(client, EC2_TEXT, &request, &answer, text);
    text->length = answer.length;
    return error ? error : judge(&answer, "the user data", text);
}

static int ec2_read(struct metadata_text *text)
{
    return with_client(text, ec2_ask);
}
METADATA_SOURCE(ec2,
                { .name = "ec2", .has_mark = true, .prepare = wait_for_address, .read = ec2_read });
