/*
 * The page cache: pages of each file in a tree by index, those changed in a second tree, the clean
 * ones of all files in one list for eviction (second chance). The map_lock of the file guards its
 * pages; lru_lock the list. The evictor holds lru_lock and only tries map_lock.
 */
#include "fs/nanofs/nanofs.h"
#include "lib/errno.h"
#include "mm/kmalloc.h"
#include "mm/page.h"

static struct nanofs_page *page_of(struct rb_node *node)
{
    return node ? container_of(node, struct nanofs_page, node) : NULL;
}

static int compare_dirty(const struct rb_node *a, const struct rb_node *b)
{
    uint32_t first = container_of(a, const struct nanofs_page, dirty_node)->index;
    uint32_t second = container_of(b, const struct nanofs_page, dirty_node)->index;

    return first < second ? -1 : first > second;
}

static int compare_index(const void *key, const struct rb_node *node)
{
    uint32_t index = *(const uint32_t *)key;
    uint32_t other = container_of(node, const struct nanofs_page, node)->index;

    return index < other ? -1 : index > other;
}

/* Each page read or written is looked for: no call for each comparison. */
struct nanofs_page *nanofs_page_find(struct nanofs_inode *inode, uint32_t index)
{
    struct nanofs_page *page = page_of(inode->pages.root);

    while (page && page->index != index)
        page = page_of(index < page->index ? page->node.left : page->node.right);
    return page;
}

static void tree_insert(struct rbtree *tree, struct nanofs_page *page)
{
    struct rb_node *parent = NULL, **link = &tree->root;

    while (*link) {
        parent = *link;
        link = page->index < page_of(parent)->index ? &parent->left : &parent->right;
    }
    rb_link(tree, &page->node, parent, link);
}

struct nanofs_page *nanofs_page_at_or_after(struct nanofs_inode *inode, uint32_t index)
{
    return page_of(rb_find_ge(&inode->pages, &index, compare_index));
}

static void lru_add(struct nanofs_page *page)
{
    struct nanofs *fs = page->inode->fs;

    mutex_lock(&fs->lru_lock);
    list_push_back(&fs->lru, &page->lru_node);
    mutex_unlock(&fs->lru_lock);
}

static void lru_remove(struct nanofs_page *page)
{
    struct nanofs *fs = page->inode->fs;

    mutex_lock(&fs->lru_lock);
    list_remove(&page->lru_node);
    mutex_unlock(&fs->lru_lock);
}

struct nanofs_page *nanofs_page_insert(struct nanofs_inode *inode, uint32_t index, void *data)
{
    struct nanofs_page *page = kzalloc(sizeof(*page));

    if (!page)
        return NULL;
    page->inode = inode;
    page->data = data;
    page->index = index;
    page->state = NANOFS_PAGE_CLEAN;
    list_node_init(&page->lru_node);
    tree_insert(&inode->pages, page);
    inode->page_count++;
    atomic_fetch_add(&inode->fs->page_count, 1);
    lru_add(page);
    return page;
}

void nanofs_page_set_state(struct nanofs_page *page, enum nanofs_page_state state)
{
    struct nanofs_inode *inode = page->inode;
    struct nanofs *fs = inode->fs;

    if (page->state == NANOFS_PAGE_CLEAN) {
        lru_remove(page);
    } else if (page->state == NANOFS_PAGE_DIRTY) {
        rb_erase(&inode->dirty_pages, &page->dirty_node);
        inode->dirty_count--;
        atomic_fetch_sub(&fs->dirty_pages, 1);
    } else {
        inode->writeback_count--;
        atomic_fetch_sub(&fs->writeback_pages, 1);
    }
    page->state = (uint8_t)state;
    if (state == NANOFS_PAGE_CLEAN) {
        lru_add(page);
    } else if (state == NANOFS_PAGE_DIRTY) {
        rb_insert(&inode->dirty_pages, &page->dirty_node, compare_dirty);
        inode->dirty_count++;
        atomic_fetch_add(&fs->dirty_pages, 1);
    } else {
        inode->writeback_count++;
        atomic_fetch_add(&fs->writeback_pages, 1);
    }
}

/* A clean page, off the list. */
static void page_destroy(struct nanofs_page *page)
{
    struct nanofs_inode *inode = page->inode;

    rb_erase(&inode->pages, &page->node);
    inode->page_count--;
    atomic_fetch_sub(&inode->fs->page_count, 1);
    nanofs_page_free(page->data);
    kfree(page);
}

void nanofs_page_forget(struct nanofs_page *page)
{
    lru_remove(page);
    page_destroy(page);
}

void nanofs_pages_drop(struct nanofs_inode *inode, uint32_t from)
{
    struct nanofs_page *page = nanofs_page_at_or_after(inode, from);

    while (page) {
        struct nanofs_page *next = page_of(rb_next(&page->node));

        if (page->state != NANOFS_PAGE_CLEAN)
            nanofs_page_set_state(page, NANOFS_PAGE_CLEAN);
        nanofs_page_forget(page);
        page = next;
    }
    if (inode->reserved)
        (void)nanofs_reserve_pages(inode, inode->dirty_count, true);
}

/* Under lru_lock. Return: has it gone? */
static bool try_evict(struct nanofs *fs, struct nanofs_page *page)
{
    struct nanofs_inode *inode = page->inode;

    list_remove(&page->lru_node);
    if (!page->is_used && mutex_trylock(&inode->map_lock)) {
        page_destroy(page);
        mutex_unlock(&inode->map_lock);
        return true;
    }
    page->is_used = false;
    list_push_back(&fs->lru, &page->lru_node);
    return false;
}

unsigned int nanofs_pages_shrink(struct nanofs *fs, unsigned int count)
{
    unsigned int tries = count * 4;
    unsigned int gone = 0;

    mutex_lock(&fs->lru_lock);
    while (gone < count && tries--) {
        struct list_node *oldest = list_front(&fs->lru);

        if (!oldest)
            break;
        if (try_evict(fs, list_entry(oldest, struct nanofs_page, lru_node)))
            gone++;
    }
    mutex_unlock(&fs->lru_lock);
    return gone;
}

/* A block for each page, a node of the map for some, and a path for the file. */
static uint64_t blocks_for(uint32_t dirty_count)
{
    return dirty_count ? (uint64_t)dirty_count + dirty_count / 64 + 4 : 0;
}

int nanofs_reserve_pages(struct nanofs_inode *inode, uint32_t dirty_count, bool is_removal)
{
    uint64_t wanted = blocks_for(dirty_count);
    int error = 0;

    if (wanted > inode->reserved)
        error = nanofs_reserve(inode->fs, wanted - inode->reserved, is_removal);
    else if (wanted < inode->reserved)
        nanofs_unreserve(inode->fs, inode->reserved - wanted);
    if (!error)
        inode->reserved = wanted;
    return error;
}
