/*
 * Doubly linked list, intrusive: the element embeds a struct list_node per list it can be on.
 *
 * The list is a ring through its head, so no operation has a special case. A node that is on no
 * list points at itself (list_node_init, list_remove): whether it is linked can be asked, and
 * removing it twice does nothing. The caller locks.
 */
#pragma once

#include "lib/compiler.h"

struct list_node {
    struct list_node *prev;
    struct list_node *next;
};

struct list {
    struct list_node head; /* next is the first element, prev the last */
};

/* Static initialisers: static struct list devices = LIST_INIT(devices); */
#define LIST_INIT(list)                                                                            \
    {                                                                                              \
        {                                                                                          \
            &(list).head, &(list).head                                                             \
        }                                                                                          \
    }
#define LIST_NODE_INIT(node)                                                                       \
    {                                                                                              \
        &(node), &(node)                                                                           \
    }

static inline void list_node_init(struct list_node *node)
{
    node->prev = node;
    node->next = node;
}

static inline void list_init(struct list *list)
{
    list_node_init(&list->head);
}

static inline bool list_is_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline bool list_node_is_linked(const struct list_node *node)
{
    return node->next != node;
}

/* @node must not be linked. */
static inline void list_insert_before(struct list_node *position, struct list_node *node)
{
    node->prev = position->prev;
    node->next = position;
    position->prev->next = node;
    position->prev = node;
}

static inline void list_insert_after(struct list_node *position, struct list_node *node)
{
    list_insert_before(position->next, node);
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
    list_insert_before(&list->head, node);
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
    list_insert_after(&list->head, node);
}

/* Unlinks @node, whichever list it is on; nothing happens when it is on none. */
static inline void list_remove(struct list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_node_init(node);
}

/* The first or last node, NULL when the list is empty. */
static inline struct list_node *list_front(const struct list *list)
{
    return list_is_empty(list) ? NULL : list->head.next;
}

static inline struct list_node *list_back(const struct list *list)
{
    return list_is_empty(list) ? NULL : list->head.prev;
}

/* The neighbour of @node on @list, NULL at the end. */
static inline struct list_node *list_next(const struct list *list, const struct list_node *node)
{
    return node->next == &list->head ? NULL : node->next;
}

static inline struct list_node *list_prev(const struct list *list, const struct list_node *node)
{
    return node->prev == &list->head ? NULL : node->prev;
}

/* Unlinks and returns the first or last node, NULL when the list is empty. */
static inline struct list_node *list_pop_front(struct list *list)
{
    struct list_node *node = list_front(list);

    if (node)
        list_remove(node);
    return node;
}

static inline struct list_node *list_pop_back(struct list *list)
{
    struct list_node *node = list_back(list);

    if (node)
        list_remove(node);
    return node;
}

/* Moves all of @from, in order, to the end of @to; @from is empty afterwards. */
static inline void list_splice(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->head.next->prev = to->head.prev;
    from->head.prev->next = &to->head;
    to->head.prev->next = from->head.next;
    to->head.prev = from->head.prev;
    list_init(from);
}

/* Counts by walking: for tests and statistics. */
static inline size_t list_length(const struct list *list)
{
    size_t length = 0;

    for (const struct list_node *node = list->head.next; node != &list->head; node = node->next)
        length++;
    return length;
}

/* The element around a node; NULL stays NULL, so list_front and friends can be wrapped directly. */
#define list_entry(node, type, member) LIST_ENTRY_(node, type, member, UNIQUE(list_node_))
#define LIST_ENTRY_(node, type, member, checked)                                                   \
    ({                                                                                             \
        struct list_node *checked = (node);                                                        \
        checked ? container_of(checked, type, member) : NULL;                                      \
    })

/*
 * Walkers. @pos is the caller's variable: a struct list_node pointer, or for the _entry forms a
 * pointer to the element type, which embeds the node as @member. After the loop it is the last
 * element visited. The loop body may unlink or free @pos only under a _safe walker, which has
 * read the successor beforehand (so the body must leave the successor linked).
 */
#define list_for_each(pos, list)                                                                   \
    for ((pos) = (list)->head.next; (pos) != &(list)->head; (pos) = (pos)->next)

#define list_for_each_safe(pos, list) LIST_WALK_SAFE_(pos, list, UNIQUE(list_following_))
#define LIST_WALK_SAFE_(pos, list, following)                                                      \
    for (struct list_node *following = ((pos) = (list)->head.next, (pos)->next);                   \
         (pos) != &(list)->head; (pos) = following, following = following->next)

#define list_for_each_entry(pos, list, member)                                                     \
    LIST_WALK_ENTRY_(pos, list, member, UNIQUE(list_cursor_))
#define LIST_WALK_ENTRY_(pos, list, member, cursor)                                                \
    for (struct list_node *cursor = (list)->head.next;                                             \
         cursor != &(list)->head && ((pos) = container_of(cursor, typeof(*(pos)), member), true);  \
         cursor = cursor->next)

#define list_for_each_entry_safe(pos, list, member)                                                \
    LIST_WALK_ENTRY_SAFE_(pos, list, member, UNIQUE(list_cursor_), UNIQUE(list_following_))
#define LIST_WALK_ENTRY_SAFE_(pos, list, member, cursor, following)                                \
    for (struct list_node *cursor = (list)->head.next, *following = cursor->next;                  \
         cursor != &(list)->head && ((pos) = container_of(cursor, typeof(*(pos)), member), true);  \
         cursor = following, following = following->next)

#define list_for_each_entry_reverse(pos, list, member)                                             \
    LIST_WALK_ENTRY_REVERSE_(pos, list, member, UNIQUE(list_cursor_))
#define LIST_WALK_ENTRY_REVERSE_(pos, list, member, cursor)                                        \
    for (struct list_node *cursor = (list)->head.prev;                                             \
         cursor != &(list)->head && ((pos) = container_of(cursor, typeof(*(pos)), member), true);  \
         cursor = cursor->prev)
