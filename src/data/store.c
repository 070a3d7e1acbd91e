/* Rows in a file that only grows:
 *
 *     header   the magic word, the size of what follows, the key's text; zeros up to a multiple of 4096
 *     block    64 records of 64 bytes, then 64 rows, each padded to 64 bytes
 *     block    ...
 *
 * A record holds the content's SHA-256, the view, the row's checksum and its own. A row is written before its
 * record, and a record is written once, so whatever was there before stays as it is; a slot of zeros is free.
 * The slot behind the last record is the next one. What is not whole is not seen, because a checksum does not
 * hold.
 *
 * Rows are read through mappings of a few blocks each, made when they are wanted; a mapping may reach behind
 * the end of the file and sees what is written there later. Nothing is ever cut off, so a mapped row cannot
 * vanish; a file that is given up is unlinked and lives on where it is mapped. The lock (flock) is held while
 * one row is written, and not waited for. */
#include "data/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"

enum { PAGE = 4096, BLOCK = 64, LINE = 64, LONGEST_KEY = 1 << 20, LONGEST_ROW = 1 << 28 };

static const char magic[16] = "graft features\n";
static const uint32_t format = 1;
static const size_t segment_bytes = (size_t)16 << 20;

typedef struct record {
    graft_digest content;
    int32_t view;
    uint32_t zero;
    uint64_t row_sum;
    uint64_t sum; /* of what stands before */
    uint64_t padding;
} record;
_Static_assert(sizeof(record) == LINE, "a record is a cache line");

typedef struct head {
    char magic[16];
    uint32_t format;
    uint32_t text; /* bytes of the key */
    uint64_t row;  /* floats */
} head;

/* A known record, by a part of its key. */
typedef struct entry {
    uint64_t tag;
    size_t number; /* + 1; 0: free */
} entry;

typedef struct segment {
    void *map; /* of whole pages, from at or before the segment's first byte */
    size_t size;
    const uint8_t *data;
} segment;

struct graft_store {
    int file;
    char *path;
    char *word;
    bool closed; /* nothing more is written */
    graft_buffer header;
    size_t row, row_bytes; /* floats; in the file */
    size_t block_bytes;
    size_t segment_blocks;
    size_t count;   /* slots that are used, or spoilt by a kill */
    size_t size;    /* bytes of the file when they were counted */
    entry *entries; /* (capacity): open addressing */
    size_t entry_count, capacity;
    segment *segments;
    size_t segment_count;
};

/* ---- Checksums ---- */

static uint64_t mix(uint64_t sum, uint64_t word)
{
    sum ^= word;
    return (sum << 29 | sum >> 35) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Four sums side by side, because each step waits for the one before. A flipped bit changes its sum for
 * certain, as every step can be undone. */
static uint64_t checksum(const void *data, size_t size)
{
    uint64_t sums[4] = {1, 2, 3, 4}, words[4];
    const uint8_t *bytes = data;
    for (; size >= sizeof words; bytes += sizeof words, size -= sizeof words) {
        memcpy(words, bytes, sizeof words);
        for (int i = 0; i < 4; i++)
            sums[i] = mix(sums[i], words[i]);
    }
    memset(words, 0, sizeof words);
    if (size > 0)
        memcpy(words, bytes, size);
    for (int i = 0; i < 4; i++)
        sums[0] = mix(mix(sums[0], words[i]), sums[i]);
    return sums[0];
}

static uint64_t sum_of(const record *r)
{
    return checksum(r, offsetof(record, sum));
}

/* ---- Where things lie ---- */

static size_t block_at(const graft_store *s, size_t block)
{
    return s->header.size + block * s->block_bytes;
}

static size_t record_at(const graft_store *s, size_t number)
{
    return block_at(s, number / BLOCK) + number % BLOCK * sizeof(record);
}

static size_t row_at(const graft_store *s, size_t number)
{
    return block_at(s, number / BLOCK) + PAGE + number % BLOCK * s->row_bytes;
}

static graft_status map_segment(graft_store *s, size_t number)
{
    graft_status status = GRAFT_OK;
    if (number >= s->segment_count) {
        GRAFT_TRY(graft_reallocate(&s->segments, number + 1, sizeof *s->segments));
        memset(s->segments + s->segment_count, 0, (number + 1 - s->segment_count) * sizeof *s->segments);
        s->segment_count = number + 1;
    }
    segment *g = &s->segments[number];
    if (g->map)
        return GRAFT_OK;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), begin = block_at(s, number * s->segment_blocks);
    size_t before = begin % page, size = before + s->segment_blocks * s->block_bytes;
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, s->file, (off_t)(begin - before));
    if (map == MAP_FAILED)
        return graft_fail_errno(errno, "%s: cannot be mapped", s->path);
    *g = (segment){map, size, (const uint8_t *)map + before};
out:
    return status;
}

/* The mapped bytes at an offset that lies within the file; NULL where they cannot be mapped. */
static const void *bytes_at(graft_store *s, size_t block, size_t offset)
{
    if (map_segment(s, block / s->segment_blocks) != GRAFT_OK)
        return NULL;
    const segment *g = &s->segments[block / s->segment_blocks];
    return g->data + (offset - block_at(s, block / s->segment_blocks * s->segment_blocks));
}

/* Nothing more is written, and why. */
static void give_up(graft_store *s, const char *what, int error)
{
    s->closed = true;
    free(s->word);
    s->word = NULL;
    if (graft_format(&s->word, error ? "%s: %s" : "%s", what, strerror(error)) != GRAFT_OK)
        s->word = NULL;
}

/* ---- What is known ---- */

static uint64_t tag_of(const graft_digest *content, int view)
{
    return graft_digest_start(content) ^ (uint64_t)(uint32_t)view * UINT64_C(0x9e3779b97f4a7c15);
}

static entry *place_of(entry *entries, size_t capacity, uint64_t tag)
{
    size_t at = (size_t)tag & (capacity - 1);
    while (entries[at].number && entries[at].tag != tag)
        at = (at + 1) & (capacity - 1);
    return &entries[at];
}

static graft_status grow_entries(graft_store *s)
{
    entry *fresh;
    size_t capacity = s->capacity ? 2 * s->capacity : 64;
    graft_status status = GRAFT_NEW_ARRAY(&fresh, capacity);
    if (status != GRAFT_OK)
        return status;
    for (size_t i = 0; i < s->capacity; i++)
        if (s->entries[i].number)
            *place_of(fresh, capacity, s->entries[i].tag) = s->entries[i];
    free(s->entries);
    s->entries = fresh;
    s->capacity = capacity;
    return GRAFT_OK;
}

/* A later row of the same key stands for an earlier one, which was found to be damaged. */
static graft_status know(graft_store *s, const record *r, size_t number)
{
    graft_status status = GRAFT_OK;
    if (2 * (s->entry_count + 1) > s->capacity)
        GRAFT_TRY(grow_entries(s));
    uint64_t tag = tag_of(&r->content, r->view);
    entry *e = place_of(s->entries, s->capacity, tag);
    s->entry_count += e->number == 0;
    *e = (entry){tag, number + 1};
out:
    return status;
}

bool graft_store_has(const graft_store *s, const graft_digest *content, int view)
{
    return s->capacity > 0 && place_of(s->entries, s->capacity, tag_of(content, view))->number > 0;
}

static bool is_free(const record *r)
{
    static const record zeros;
    return memcmp(r, &zeros, sizeof zeros) == 0;
}

static graft_status take_records(graft_store *s, const record *records, size_t count, size_t first)
{
    graft_status status = GRAFT_OK;
    for (size_t i = 0; i < count; i++) {
        if (is_free(&records[i]))
            continue;
        s->count = first + i + 1;
        if (records[i].sum == sum_of(&records[i]))
            GRAFT_TRY(know(s, &records[i], first + i));
    }
out:
    return status;
}

/* Reads the records that are new since the last time. The file's length does not tell whether there are any:
 * one may have been written over the row that a kill left without a record. */
static graft_status scan(graft_store *s)
{
    graft_status status = GRAFT_OK;
    struct stat about;
    if (fstat(s->file, &about) != 0)
        return graft_fail_errno(errno, "%s", s->path);
    s->size = (size_t)about.st_size;
    if (about.st_nlink == 0)
        give_up(s, "the file was taken away", 0);
    for (size_t block = s->count / BLOCK; block_at(s, block) < s->size; block++) {
        record records[BLOCK] = {{{{0}}, 0, 0, 0, 0, 0}};
        size_t first = block == s->count / BLOCK ? s->count % BLOCK : 0;
        if (pread(s->file, records, sizeof records, (off_t)block_at(s, block)) < 0)
            return graft_fail_errno(errno, "%s", s->path);
        GRAFT_TRY(take_records(s, records + first, BLOCK - first, block * BLOCK + first));
    }
out:
    return status;
}

/* ---- Finding ---- */

/* Of a file that was cut off the last rows are missing: touching them would end the process. */
static size_t end_of(const graft_store *s, size_t number)
{
    return s->row ? row_at(s, number) + s->row * sizeof(float) : record_at(s, number) + sizeof(record);
}

const float *graft_store_find(graft_store *s, const graft_digest *content, int view)
{
    if (!graft_store_has(s, content, view))
        return NULL;
    size_t number = place_of(s->entries, s->capacity, tag_of(content, view))->number - 1;
    if (end_of(s, number) > s->size)
        return NULL;
    const record *r = bytes_at(s, number / BLOCK, record_at(s, number));
    const float *row = bytes_at(s, number / BLOCK, row_at(s, number));
    bool good = r && row && r->view == view && memcmp(&r->content, content, sizeof *content) == 0 &&
                r->sum == sum_of(r) && r->row_sum == checksum(row, s->row * sizeof *row);
    return good ? row : NULL;
}

/* ---- Writing ---- */

static bool write_at(graft_store *s, const void *data, size_t size, size_t offset)
{
    const uint8_t *bytes = data;
    while (size > 0) {
        ssize_t done = pwrite(s->file, bytes, size, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            give_up(s, "cannot be written any more", done < 0 ? errno : ENOSPC);
            return false;
        }
        bytes += done;
        offset += (size_t)done;
        size -= (size_t)done;
    }
    return true;
}

/* With the lock held: others may have written since. */
static graft_status append(graft_store *s, const float **kept, const record *r, const float *row)
{
    graft_status status;
    GRAFT_TRY(scan(s));
    *kept = graft_store_find(s, &r->content, r->view);
    if (s->closed || *kept || (s->row == 0 && graft_store_has(s, &r->content, r->view)))
        return GRAFT_OK;
    size_t number = s->count;
    if (!write_at(s, row, s->row * sizeof *row, row_at(s, number)) ||
        !write_at(s, r, sizeof *r, record_at(s, number)))
        return GRAFT_OK;
    s->count++;
    if (end_of(s, number) > s->size)
        s->size = end_of(s, number);
    GRAFT_TRY(know(s, r, number));
    *kept = graft_store_find(s, &r->content, r->view);
out:
    return status;
}

graft_status graft_store_add(graft_store *s, const float **kept, const graft_digest *content, int view,
                             const float *row)
{
    *kept = NULL;
    if (s->closed)
        return GRAFT_OK;
    record r = {.content = *content, .view = view, .row_sum = checksum(row, s->row * sizeof *row)};
    if (flock(s->file, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            give_up(s, "the file cannot be locked", errno);
        return GRAFT_OK;
    }
    r.sum = sum_of(&r);
    graft_status status = append(s, kept, &r, row);
    flock(s->file, LOCK_UN);
    return status;
}

/* ---- Opening ---- */

static graft_status make_header(graft_store *s, const graft_store_key *key)
{
    graft_status status;
    static const char zeros[PAGE];
    graft_buffer *header = &s->header;
    head h = {.format = format, .row = key->row};
    memcpy(h.magic, magic, sizeof magic);
    h.text = (uint32_t)(strlen(key->identity) + strlen(key->versions));
    GRAFT_TRY(graft_buffer_append(header, &h, sizeof h));
    GRAFT_TRY(graft_buffer_text(header, key->identity));
    GRAFT_TRY(graft_buffer_text(header, key->versions));
    status = graft_buffer_append(header, zeros, (PAGE - header->size % PAGE) % PAGE);
out:
    return status;
}

static void lay_out(graft_store *s, size_t row)
{
    s->row = row;
    s->row_bytes = (row * sizeof(float) + LINE - 1) / LINE * LINE;
    s->block_bytes = PAGE + BLOCK * s->row_bytes;
    s->segment_blocks = segment_bytes / s->block_bytes;
    if (s->segment_blocks == 0)
        s->segment_blocks = 1;
}

static graft_status name_file(graft_store *s, const char *folder, const graft_store_key *key)
{
    graft_status status;
    char digest[65], *name = NULL;
    graft_sha256(key->identity, strlen(key->identity), digest);
    GRAFT_TRY(graft_format(&name, "%s-%.16s.features", key->name, digest));
    status = graft_path_join(&s->path, folder, name);
out:
    free(name);
    return status;
}

/* Two processes may do it at once: what is there already stays. */
static bool put_name(const char *from, const char *to)
{
    return link(from, to) == 0 || errno == EEXIST || rename(from, to) == 0; /* not all systems have links */
}

/* A file with nothing but its header, which appears whole: in place of another, or where there is none. */
static graft_status put_file(graft_store *s, bool replace)
{
    graft_status status;
    char *name = NULL;
    GRAFT_TRY(graft_file_create_beside(&s->file, &name, s->path));
    if (!write_at(s, s->header.data, s->header.size, 0))
        status = graft_fail(GRAFT_EIO, "%s: %s", s->path, s->word);
    else if (replace ? rename(name, s->path) != 0 : !put_name(name, s->path))
        status = graft_fail_errno(errno, "%s: cannot be written", s->path);
    if (status != GRAFT_OK || !replace)
        unlink(name);
    free(name);
out:
    return status;
}

static graft_status open_file(graft_store *s)
{
    s->file = open(s->path, O_RDWR | O_CLOEXEC);
    return s->file >= 0 ? GRAFT_OK : graft_fail_errno(errno, "%s: cannot be written", s->path);
}

/* What was made is opened by its name, because another process may have been first. */
static graft_status open_or_create(graft_store *s)
{
    graft_status status = GRAFT_OK;
    s->file = open(s->path, O_RDWR | O_CLOEXEC);
    if (s->file >= 0)
        return GRAFT_OK;
    if (errno != ENOENT)
        return graft_fail_errno(errno, "%s: cannot be written", s->path);
    GRAFT_TRY(put_file(s, false));
    close(s->file);
    status = open_file(s);
out:
    return status;
}

static graft_status check_header(const graft_store *s, bool *same, bool *ours)
{
    graft_status status;
    char *found = NULL;
    GRAFT_TRY(graft_allocate(&found, s->header.size, 1));
    ssize_t got = pread(s->file, found, s->header.size, 0);
    if (got < 0)
        status = graft_fail_errno(errno, "%s", s->path);
    *same = got == (ssize_t)s->header.size && memcmp(found, s->header.data, s->header.size) == 0;
    *ours = got >= (ssize_t)sizeof magic && memcmp(found, magic, sizeof magic) == 0;
out:
    free(found);
    return status;
}

static graft_status begin_anew(graft_store *s, const char *why)
{
    graft_status status;
    close(s->file);
    s->file = -1;
    GRAFT_TRY(put_file(s, true));
    status = graft_duplicate(&s->word, why);
out:
    return status;
}

graft_status graft_store_open(graft_store **out, const char *folder, const graft_store_key *key)
{
    graft_status status;
    graft_store *s = NULL;
    bool same = false, ours = false;
    GRAFT_TRY(GRAFT_NEW(&s));
    s->file = -1;
    GRAFT_TRY(make_header(s, key));
    lay_out(s, key->row);
    GRAFT_TRY(graft_folder_create(folder));
    GRAFT_TRY(name_file(s, folder, key));
    GRAFT_TRY(open_or_create(s));
    GRAFT_TRY(check_header(s, &same, &ours));
    if (!same)
        GRAFT_TRY(begin_anew(s, ours ? "what was kept there is of another version, and is computed anew"
                                     : "what was kept there is damaged, and is computed anew"));
    GRAFT_TRY(scan(s));
    futimens(s->file, NULL); /* by age the oldest files go first */
    *out = s;
    s = NULL;
out:
    graft_store_close(s);
    return status;
}

void graft_store_close(graft_store *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->segment_count; i++)
        if (s->segments[i].map)
            munmap(s->segments[i].map, s->segments[i].size);
    if (s->file >= 0)
        close(s->file);
    graft_buffer_dispose(&s->header);
    free(s->segments);
    free(s->entries);
    free(s->word);
    free(s->path);
    free(s);
}

/* ---- What it is ---- */

const char *graft_store_word(const graft_store *s)
{
    return s->word;
}

void graft_store_stop(graft_store *s)
{
    s->closed = true;
}

bool graft_store_is_closed(const graft_store *s)
{
    return s->closed;
}

const char *graft_store_path(const graft_store *s)
{
    return s->path;
}

size_t graft_store_row_bytes(const graft_store *s)
{
    return s->row_bytes + sizeof(record);
}

/* Of a file of whatever key. */
static graft_status read_facts(graft_store *s, graft_store_facts *facts)
{
    graft_status status;
    head h;
    char *text = NULL;
    if (pread(s->file, &h, sizeof h, 0) != (ssize_t)sizeof h || memcmp(h.magic, magic, sizeof magic) != 0 ||
        h.format != format || h.text > LONGEST_KEY || h.row > LONGEST_ROW)
        return graft_fail(GRAFT_EFORMAT, "%s: not a file of kept features", s->path);
    GRAFT_TRY(graft_allocate(&text, (size_t)h.text + 1, 1));
    if (pread(s->file, text, h.text, sizeof h) != (ssize_t)h.text) {
        status = graft_fail(GRAFT_EFORMAT, "%s: ends early", s->path);
        goto out;
    }
    s->header.size = (sizeof h + h.text + PAGE - 1) / PAGE * PAGE;
    lay_out(s, (size_t)h.row);
    *facts = (graft_store_facts){text, s->row * sizeof(float)};
    text = NULL;
out:
    free(text);
    return status;
}

/* A store of which only its file says anything; to be closed also behind a failure. */
static graft_status open_any(graft_store **out, graft_store_facts *facts, const char *path)
{
    graft_status status = GRAFT_NEW(out);
    if (status != GRAFT_OK)
        return status;
    graft_store *s = *out;
    s->file = open(path, O_RDONLY | O_CLOEXEC);
    if (s->file < 0)
        return graft_fail_errno(errno, "%s", path);
    status = graft_duplicate(&s->path, path);
    return status == GRAFT_OK ? read_facts(s, facts) : status;
}

graft_status graft_store_read_facts(graft_store_facts *facts, const char *path)
{
    graft_store *s = NULL;
    graft_status status = open_any(&s, facts, path);
    graft_store_close(s);
    return status;
}

graft_status graft_store_count_rows(size_t *rows, const char *path)
{
    graft_status status;
    graft_store *s = NULL;
    graft_store_facts facts = {.key = NULL};
    GRAFT_TRY(open_any(&s, &facts, path));
    GRAFT_TRY(scan(s));
    *rows = s->entry_count;
out:
    free(facts.key);
    graft_store_close(s);
    return status;
}
