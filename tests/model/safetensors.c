/* safetensors.c - what is written comes back; what is damaged or made to harm is refused with words. */
#include <string.h>

#include "model/model.h"
#include "test.h"

static char *put_file(arena *a, const char *folder, const char *name, const void *data, size_t size) {
    err e = {0};
    char *path = path_join(a, folder, name);
    assert_ok(file_write(path, (str){data, size}, &e), e);
    return path;
}

/* A file with this header and `data` bytes of zeros behind it. */
static char *put_header(arena *a, const char *folder, const char *header, size_t data) {
    buf b = {0};
    const uint64_t n = strlen(header);
    buf_put(&b, &n, 8);
    buf_put_text(&b, header);
    for (size_t i = 0; i < data; i++) buf_put_char(&b, 0);
    char *path = put_file(a, folder, "model.safetensors", b.ptr, b.len);
    buf_free(&b);
    return path;
}

static void what_is_written_comes_back(void **state) {
    (void)state;
    arena *a = arena_new();
    char *folder = scratch_folder(a);
    const char *path = path_join(a, folder, "model.safetensors");
    const float x[6] = {1, 2, 3, 4, 5, 6};
    const int64_t ids[2] = {-1, 1ll << 40};
    const uint16_t half[3] = {0x3f80, 0x4000, 0x4040};
    const char *const metadata[] = {"made", "here", NULL};
    const tensor_to_write t[] = {{.name = "b.x", .type = "F32", .dims = 2, .shape = {2, 3}, .data = x, .bytes = sizeof x},
                                 {.name = "a.ids", .type = "I64", .dims = 1, .shape = {2}, .data = ids, .bytes = sizeof ids},
                                 {.name = "empty", .type = "F32", .dims = 2, .shape = {0, 3}, .data = x, .bytes = 0},
                                 {.name = "half", .type = "BF16", .dims = 1, .shape = {3}, .data = half, .bytes = sizeof half},
                                 {.name = "one", .type = "F32", .dims = 0, .data = x, .bytes = 4}};
    tensor_file f;
    err e = {0};
    assert_ok(safetensors_write(path, t, 5, NULL, metadata, &e), e);
    assert_ok(safetensors_open(a, path, &f, &e), e);
    assert_int_equal(f.count, 5);
    assert_true(str_is(json_get_text(f.metadata, "format", STR("")), "pt"));
    assert_true(str_is(json_get_text(f.metadata, "made", STR("")), "here"));
    for (int i = 0; i < 5; i++) {
        const file_tensor *got = tensor_file_find(&f, t[i].name);
        assert_non_null(got);
        assert_string_equal(got->type, t[i].type);
        assert_int_equal(got->dims, t[i].dims);
        assert_int_equal(got->bytes, t[i].bytes);
        for (int k = 0; k < got->dims; k++) assert_int_equal(got->shape[k], t[i].shape[k]);
        assert_memory_equal(got->data, t[i].data, t[i].bytes);
    }
    assert_true(tensor_file_find(&f, "half")->known);
    assert_false(tensor_file_find(&f, "a.ids")->known);
    assert_null(tensor_file_find(&f, "none"));
    assert_ok(dir_remove(folder, &e), e);
    arena_free(a);
}

/* header, bytes of data, words of the refusal */
static const struct {
    const char *header;
    size_t data;
    const char *words;
} damaged[] = {
    {"", 0, "does not begin"},
    {"[]", 0, "does not begin"},
    {"{", 0, "not valid JSON"},
    {"{\"x\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown dtype"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "another number of bytes"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 4, "outside"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "outside"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "outside"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "data_offsets"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "sizes"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "sizes"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":\"1\",\"data_offsets\":[0,4]}}", 4, "sizes"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "at most 8"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, "sizes"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]}}", 4, "another number of bytes"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "gap"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"y\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,"
     "8]}}",
     8, "overlaps"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, "belong to no tensor"},
    {"{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,"
     "4]}}",
     4, "twice"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "should be a text"},
    {"{\"__metadata__\":[]}", 0, "object of texts"},
    {"{\"x\":4}", 0, "unknown dtype"},
};

static void damaged_files_are_refused_with_words(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        arena *a = arena_new();
        char *folder = scratch_folder(a);
        tensor_file f;
        err e = {0};
        const char *path = put_header(a, folder, damaged[i].header, damaged[i].data);
        if (safetensors_open(a, path, &f, &e)) fail_msg("taken: %s", damaged[i].header);
        if (!strstr(e.text, damaged[i].words)) fail_msg("%s\nis refused with: %s", damaged[i].header, e.text);
        if (!strstr(e.text, "model.safetensors")) fail_msg("does not name the file: %s", e.text);
        err ignored = {0};
        dir_remove(folder, &ignored);
        arena_free(a);
    }
}

static void header_lengths_are_checked_before_use(void **state) {
    (void)state;
    arena *a = arena_new();
    char *folder = scratch_folder(a);
    const uint64_t lengths[] = {1, 2, 100000001, UINT64_MAX, UINT64_MAX - 8, 1ull << 63};
    tensor_file f;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        err e = {0};
        assert_false(safetensors_open(a, put_file(a, folder, "x.safetensors", &lengths[i], 8), &f, &e));
        assert_int_equal(e.code, ERR_INPUT);
    }
    err e = {0};
    assert_false(safetensors_open(a, put_file(a, folder, "x.safetensors", "short", 5), &f, &e));
    assert_non_null(strstr(e.text, "too few"));
    err ignored = {0};
    dir_remove(folder, &ignored);
    arena_free(a);
}

static void an_index_cannot_leave_its_folder(void **state) {
    (void)state;
    const char *names[] = {"../model.safetensors", "/etc/passwd", "a/../../b", "..", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        arena *a = arena_new();
        char *folder = scratch_folder(a), *index = arena_printf(a, "{\"weight_map\":{\"x\":\"%s\"}}", names[i]);
        put_file(a, folder, "model.safetensors.index.json", index, strlen(index));
        tensor_file f;
        err e = {0};
        assert_false(safetensors_open_folder(a, folder, "model", &f, &e));
        assert_non_null(strstr(e.text, "only names in the folder"));
        err ignored = {0};
        dir_remove(folder, &ignored);
        arena_free(a);
    }
}

static void a_pickle_is_refused_and_the_safe_way_named(void **state) {
    (void)state;
    arena *a = arena_new();
    char *folder = scratch_folder(a);
    put_file(a, folder, "pytorch_model.bin", "\x80\x02", 2);
    tensor_file f;
    err e = {0};
    assert_false(safetensors_open_folder(a, folder, "model", &f, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "pickle"));
    assert_non_null(strstr(e.text, "safetensors version"));
    err ignored = {0};
    dir_remove(folder, &ignored);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_comes_back),
        TEST(damaged_files_are_refused_with_words),
        TEST(header_lengths_are_checked_before_use),
        TEST(an_index_cannot_leave_its_folder),
        TEST(a_pickle_is_refused_and_the_safe_way_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
