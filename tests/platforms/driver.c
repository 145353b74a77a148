/* Runs jobs that jobs.py has recorded on a library of kernels, where there is no Python.

       driver LIBRARY LIST

   Each line of LIST names a job and the file for its results. A job is 64-bit words, but for text and bytes:

       the name of the entry, 64 bytes
       blocks of memory; for each: its size and its address modulo ALIGNMENT; then the bytes of all of them
       kernels whose addresses are in memory; for each: its name, 64 bytes
       links; for each: block, offset, and what the address there is of: a block and an offset in it, or -2 and a kernel
       threads; words of a record; the block of the control words and their offset in it, or -1 and 0
       the control word to wait for before the first call, or -1, and the least value
       the control word that ends the workers, and its value
       calls; whether results are written after each of them, or after the last one and the end of the workers
       for each call: patches; for each: block, offset, size, bytes
                      for each word of each record: -1 and the word; or what it is the address of, as for links

   The results are the bytes of all blocks. Thread 0 is the caller; the workers make one call of the kernel, and are in
   it until all calls of thread 0 are done. */

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <xmmintrin.h>
#endif
#ifdef _WIN32
#include <windows.h>
typedef HMODULE library;
typedef HANDLE thread;
#else
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
typedef void *library;
typedef pthread_t thread;
#endif

#define ALIGNMENT 128
#define NAME_BYTES 64
#define NONE -1   /* instead of a block */
#define KERNEL -2 /* the same */
#define MARK 0xa5 /* in the bytes around each block, which no kernel may write */

typedef void (*entry)(void *record);

typedef struct {
    int64_t size;
    unsigned char *memory, *bytes; /* allocated; the block itself, with at least ALIGNMENT bytes before and after */
} block;

typedef struct {
    entry call;
    int64_t *record;
} start;

static const char *job_name = "";
static unsigned char *job, *job_end, *position;

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", job_name, what);
    exit(1);
}

static void *allocate(int64_t size)
{
    void *memory = calloc(1, size > 0 ? (size_t)size : 1);
    if (!memory)
        fail("out of memory");
    return memory;
}

/* Reading a job */

static unsigned char *take(int64_t size)
{
    unsigned char *taken = position;
    if (size < 0 || size > job_end - position)
        fail("the job is cut short");
    position += size;
    return taken;
}

static int64_t take_word(void)
{
    int64_t word;
    memcpy(&word, take(8), 8);
    return word;
}

static void read_job(const char *path)
{
    FILE *file = fopen(path, "rb");
    long size = -1;
    if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET))
        fail("the job cannot be read");
    job = position = allocate(size);
    job_end = job + size;
    if (fread(job, 1, (size_t)size, file) != (size_t)size)
        fail("the job cannot be read");
    fclose(file);
}

static void allocate_block(block *b, int64_t size, int64_t remainder)
{
    int64_t room = size + 4 * ALIGNMENT;
    if (size < 0 || remainder < 0 || remainder >= ALIGNMENT)
        fail("a block is wrong");
    b->size = size;
    b->memory = allocate(room);
    memset(b->memory, MARK, (size_t)room);
    b->bytes = b->memory + 2 * ALIGNMENT - (uintptr_t)b->memory % ALIGNMENT + remainder;
}

static void check_around(const block *b)
{
    for (int i = 1; i <= ALIGNMENT; i++)
        if (b->bytes[-i] != MARK || b->bytes[b->size + i - 1] != MARK)
            fail("the kernel has written outside a block");
}

static unsigned char *place(block *blocks, int64_t n_blocks, int64_t number, int64_t offset, int64_t size)
{
    if (number < 0 || number >= n_blocks || offset < 0 || size < 0 || offset > blocks[number].size - size)
        fail("an address is in no block");
    return blocks[number].bytes + offset;
}

/* What differs between systems */

static entry find_entry(library loaded, const char *name)
{
    entry found = NULL;
#ifdef _WIN32
    FARPROC address = GetProcAddress(loaded, name);
#else
    void *address = dlsym(loaded, name);
#endif
    memcpy(&found, &address, sizeof found); /* ISO C has no cast from data to a function */
    if (!found)
        fail("the library does not export this entry");
    return found;
}

static entry take_entry(library loaded)
{
    char name[NAME_BYTES + 1] = {0};
    memcpy(name, take(NAME_BYTES), NAME_BYTES);
    return find_entry(loaded, name);
}

static library load(const char *path)
{
#ifdef _WIN32
    library loaded = LoadLibraryA(path);
    if (!loaded)
        fprintf(stderr, "error %lu: ", (unsigned long)GetLastError());
#else
    library loaded = dlopen(path, RTLD_NOW);
    if (!loaded)
        fprintf(stderr, "%s: ", dlerror());
#endif
    if (!loaded)
        fail("the library cannot be loaded");
    return loaded;
}

#ifdef _WIN32
static DWORD WINAPI work(void *argument)
#else
static void *work(void *argument)
#endif
{
    start *own = argument;
    own->call(own->record);
    return 0;
}

static void start_thread(thread *t, start *argument)
{
#ifdef _WIN32
    *t = CreateThread(NULL, 0, work, argument, 0, NULL);
    if (!*t)
#else
    if (pthread_create(t, NULL, work, argument))
#endif
        fail("a thread cannot be started");
}

static void join_thread(thread t)
{
#ifdef _WIN32
    if (WaitForSingleObject(t, INFINITE) != WAIT_OBJECT_0)
        fail("a thread cannot be waited for");
    CloseHandle(t);
#else
    if (pthread_join(t, NULL))
        fail("a thread cannot be waited for");
#endif
}

static void yield_core(void)
{
#ifdef _WIN32
    SwitchToThread();
#else
    sched_yield();
#endif
}

/* What a caller relies on: its registers and its floating-point mode, in which results do not depend either. */

#if defined __x86_64__ && defined _WIN32
static void call_kernel(entry call, int64_t *record)
{
    unsigned char kept[160], after[160]; /* xmm6 to xmm15, which a function of Windows leaves as they are */
    for (int i = 0; i < 160; i++)
        kept[i] = after[i] = (unsigned char)(i + 1);
    __asm__ volatile("movups 0(%%rsi), %%xmm6\n\tmovups 16(%%rsi), %%xmm7\n\t"
                     "movups 32(%%rsi), %%xmm8\n\tmovups 48(%%rsi), %%xmm9\n\t"
                     "movups 64(%%rsi), %%xmm10\n\tmovups 80(%%rsi), %%xmm11\n\t"
                     "movups 96(%%rsi), %%xmm12\n\tmovups 112(%%rsi), %%xmm13\n\t"
                     "movups 128(%%rsi), %%xmm14\n\tmovups 144(%%rsi), %%xmm15\n\t"
                     "movq %%rsp, %%rbx\n\tandq $-16, %%rsp\n\tsubq $32, %%rsp\n\t"
                     "call *%%rax\n\t"
                     "movq %%rbx, %%rsp\n\t"
                     "movups %%xmm6, 0(%%rsi)\n\tmovups %%xmm7, 16(%%rsi)\n\t"
                     "movups %%xmm8, 32(%%rsi)\n\tmovups %%xmm9, 48(%%rsi)\n\t"
                     "movups %%xmm10, 64(%%rsi)\n\tmovups %%xmm11, 80(%%rsi)\n\t"
                     "movups %%xmm12, 96(%%rsi)\n\tmovups %%xmm13, 112(%%rsi)\n\t"
                     "movups %%xmm14, 128(%%rsi)\n\tmovups %%xmm15, 144(%%rsi)"
                     : "+a"(call), "+c"(record)
                     : "S"(after)
                     : "rbx", "rdx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc", "memory");
    if (memcmp(kept, after, sizeof kept))
        fail("the kernel has changed registers of its caller");
}
#else
static void call_kernel(entry call, int64_t *record)
{
    call(record);
}
#endif

static void call_in_another_mode(entry call, int64_t *record)
{
#ifdef __x86_64__
    const unsigned mode = 0xffc0, flags = 0x3f; /* rounds toward zero, takes denormal numbers for 0; no traps */
    unsigned before = _mm_getcsr(), after;
    _mm_setcsr(mode);
    call_kernel(call, record);
    after = _mm_getcsr();
    _mm_setcsr(before);
    if ((after ^ mode) & ~flags)
        fail("the kernel has changed the floating-point mode of its caller");
#else
    call_kernel(call, record);
#endif
}

/* Running it */

typedef struct {
    block *blocks;
    entry *kernels;
    int64_t n_blocks, n_kernels;
} memory;

static int64_t take_address(const memory *m)
{
    int64_t number = take_word(), word = take_word();
    if (number == NONE)
        return word;
    if (number != KERNEL)
        return (int64_t)(intptr_t)place(m->blocks, m->n_blocks, number, word, 0);
    if (word < 0 || word >= m->n_kernels)
        fail("an address is of no kernel");
    return (int64_t)(intptr_t)m->kernels[word];
}

static void write_results(FILE *file, const block *blocks, int64_t n_blocks)
{
    for (int64_t i = 0; i < n_blocks; i++) {
        check_around(&blocks[i]);
        if (fwrite(blocks[i].bytes, 1, (size_t)blocks[i].size, file) != (size_t)blocks[i].size)
            fail("the results cannot be written");
    }
}

static void run(library loaded, const char *results)
{
    entry call = take_entry(loaded);

    int64_t n_blocks = take_word();
    block *blocks = allocate(n_blocks * (int64_t)sizeof(block));
    for (int64_t i = 0; i < n_blocks; i++) {
        int64_t size = take_word();
        allocate_block(&blocks[i], size, take_word());
    }
    for (int64_t i = 0; i < n_blocks; i++)
        memcpy(blocks[i].bytes, take(blocks[i].size), (size_t)blocks[i].size);

    int64_t n_kernels = take_word();
    entry *kernels = allocate(n_kernels * (int64_t)sizeof(entry));
    for (int64_t i = 0; i < n_kernels; i++)
        kernels[i] = take_entry(loaded);
    const memory all = {blocks, kernels, n_blocks, n_kernels};
    for (int64_t links = take_word(); links > 0; links--) {
        int64_t number = take_word(), offset = take_word(), address = take_address(&all);
        memcpy(place(blocks, n_blocks, number, offset, 8), &address, 8);
    }

    int64_t threads = take_word(), words = take_word(), control_block = take_word(), control_offset = take_word();
    int64_t wait_word = take_word(), wait_value = take_word(), end_word = take_word(), end_value = take_word();
    int64_t calls = take_word(), after_each = take_word();
    int64_t *control = NULL, *records = allocate(threads * words * 8);
    if (control_block >= 0)
        control = (int64_t *)(void *)place(blocks, n_blocks, control_block, control_offset, 8);
    start *starts = allocate(threads * (int64_t)sizeof(start));
    thread *workers = allocate(threads * (int64_t)sizeof(thread));

    FILE *file = fopen(results, "wb");
    if (!file)
        fail("the results cannot be written");
    for (int64_t c = 0; c < calls; c++) {
        for (int64_t patches = take_word(); patches > 0; patches--) {
            int64_t number = take_word(), offset = take_word(), size = take_word();
            memcpy(place(blocks, n_blocks, number, offset, size), take(size), (size_t)size);
        }
        for (int64_t i = 0; i < threads * words; i++)
            records[i] = take_address(&all);
        if (c == 0) {
            for (int64_t t = 1; t < threads; t++) {
                starts[t].call = call;
                starts[t].record = records + t * words;
                start_thread(&workers[t], &starts[t]);
            }
            while (wait_word >= 0 && __atomic_load_n(control + wait_word, __ATOMIC_SEQ_CST) < wait_value)
                yield_core();
        }
        call_in_another_mode(call, records);
        if (after_each)
            write_results(file, blocks, n_blocks);
    }
    if (threads > 1) {
        __atomic_store_n(control + end_word, end_value, __ATOMIC_SEQ_CST);
        for (int64_t t = 1; t < threads; t++)
            join_thread(workers[t]);
    }
    if (!after_each)
        write_results(file, blocks, n_blocks);
    if (fclose(file))
        fail("the results cannot be written");
    for (int64_t i = 0; i < n_blocks; i++)
        free(blocks[i].memory);
    free(blocks);
    free(kernels);
    free(records);
    free(starts);
    free(workers);
}

int main(int count, char **arguments)
{
    char line[1024], *results;
    if (count != 3) {
        fprintf(stderr, "driver LIBRARY LIST\n");
        return 2;
    }
    library loaded = load(arguments[1]);
    FILE *list = fopen(arguments[2], "r");
    if (!list)
        fail("the list cannot be read");
    while (fgets(line, sizeof line, list)) {
        line[strcspn(line, "\r\n")] = 0;
        results = strchr(line, ' ');
        if (!results)
            fail("a line of the list is wrong");
        *results++ = 0;
        job_name = line;
        read_job(line);
        run(loaded, results);
        if (position != job_end)
            fail("the job has more than was read");
        free(job);
        printf("%s\n", line);
        fflush(stdout);
    }
    fclose(list);
    return 0;
}
