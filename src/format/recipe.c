/* Recipes from text. */
#include "format/recipe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

typedef struct {
    const char *name;
    psti_held held;
    int role; /* -1: any */
} holding;

static const holding holdings[] = {
#define PSTI_ENCODING(NAME, name, bits, operand, largest, odd, grouped) {#name, {PSTI_##NAME, -1}, -1},
#include "format/encodings.def"
#undef PSTI_ENCODING
#define PSTI_HELD(name, encoding, rest, role) {#name, {PSTI_##encoding, PSTI_##rest}, role},
#include "format/formats.def"
#undef PSTI_HELD
};
enum { HOLDINGS = sizeof holdings / sizeof *holdings };

static const char *const formats[][PSTI_ROLES] = {
#define PSTI_FORMAT(ih, hh, linear) {#ih, #hh, #linear},
#include "format/formats.def"
#undef PSTI_FORMAT
};
enum { FORMATS = sizeof formats / sizeof *formats };

static const char *const roles[PSTI_ROLES] = {"ih", "hh", "linear"};

const char *psti_format_name(size_t index) {
    return index < FORMATS ? formats[index][PSTI_ROLE_IH] : NULL;
}

const char *psti_held_name(int role, psti_held held) {
    for (size_t i = 0; i < HOLDINGS; i++)
        if (holdings[i].held.encoding == held.encoding && holdings[i].held.rest == held.rest &&
            (holdings[i].role < 0 || holdings[i].role == role))
            return holdings[i].name;
    return "?";
}

/* A piece of a text. */
typedef struct {
    const char *at;
    size_t n;
} piece;

static int is(piece p, const char *name) {
    return strlen(name) == p.n && memcmp(p.at, name, p.n) == 0;
}

/* The text up to `end` or its own end; *text moves behind it, and is NULL after the last. */
static piece next(const char **text, char end) {
    const char *at = *text, *stop = strchr(at, end);
    *text = stop ? stop + 1 : NULL;
    return (piece){at, stop ? (size_t)(stop - at) : strlen(at)};
}

static void list(char *out, size_t n, const char *name) {
    size_t used = strlen(out);
    snprintf(out + used, n - used, "%s%s", used ? ", " : "", name);
}

static pst_status unknown_format(piece p, const char *field) {
    char known[256] = "";
    for (size_t i = 0; i < FORMATS; i++)
        list(known, sizeof known, psti_format_name(i));
    return psti_fail(PST_E_ARGUMENT, (psti_where){.item = p.at, .field = field},
                     "%s: expected one of %s, or roles as ih=w4a8,hh=bf16,linear=w8a16, found \"%.*s\"", field, known,
                     (int)p.n, p.at);
}

static pst_status unknown_holding(piece p, int role, const char *field) {
    char known[256] = "";
    for (size_t i = 0; i < HOLDINGS; i++)
        if (holdings[i].role < 0 || holdings[i].role == role)
            list(known, sizeof known, holdings[i].name);
    return psti_fail(PST_E_ARGUMENT, (psti_where){.item = roles[role], .field = field},
                     "%s: %s: expected one of %s, found \"%.*s\"", field, roles[role], known, (int)p.n, p.at);
}

static int find_holding(piece p, int role, psti_held *out) {
    for (size_t i = 0; i < HOLDINGS; i++)
        if (is(p, holdings[i].name) && (holdings[i].role < 0 || holdings[i].role == role)) {
            *out = holdings[i].held;
            return 1;
        }
    return 0;
}

/* What a format's name says of every role; 0 if there is none of that name. */
static int find_format(piece p, psti_recipe *out) {
    for (size_t i = 0; i < FORMATS; i++)
        if (is(p, psti_format_name(i))) {
            for (int role = 0; role < PSTI_ROLES; role++)
                (void)find_holding((piece){formats[i][role], strlen(formats[i][role])}, role, &out->of[role]);
            return 1;
        }
    return 0;
}

static pst_status parse_roles(const char *text, const char *field, psti_recipe *out) {
    piece named[PSTI_ROLES] = {{NULL, 0}};
    while (text) {
        piece part = next(&text, ',');
        const char *equals = memchr(part.at, '=', part.n);
        piece name = {part.at, equals ? (size_t)(equals - part.at) : part.n};
        int role = 0;
        while (role < PSTI_ROLES && !is(name, roles[role]))
            role++;
        if (!equals || role == PSTI_ROLES)
            return psti_fail(PST_E_ARGUMENT, (psti_where){.field = field},
                             "%s: expected roles as ih=w4a8,hh=bf16,linear=w8a16, found \"%.*s\"", field, (int)part.n,
                             part.at);
        if (named[role].at)
            return psti_fail(PST_E_ARGUMENT, (psti_where){.item = roles[role], .field = field}, "%s: %s is given twice",
                             field, roles[role]);
        named[role] = (piece){equals + 1, part.n - name.n - 1};
    }
    if (!named[PSTI_ROLE_IH].at || !find_format(named[PSTI_ROLE_IH], out))
        (void)find_format((piece){"bf16", 4}, out);
    for (int role = 0; role < PSTI_ROLES; role++)
        if (named[role].at && !find_holding(named[role], role, &out->of[role]))
            return unknown_holding(named[role], role, field);
    return PST_OK;
}

/* `p` ends where the text does, or at a ';'. */
static pst_status parse(piece p, const char *field, psti_recipe *out) {
    char text[128];
    if (p.n >= sizeof text)
        return unknown_format((piece){p.at, 64}, field);
    memcpy(text, p.at, p.n);
    text[p.n] = 0;
    out->group = PSTI_LEAST_GROUP;
    if (strchr(text, '='))
        return parse_roles(text, field, out);
    return find_format((piece){text, p.n}, out) ? PST_OK : unknown_format((piece){text, p.n}, field);
}

pst_status psti_recipe_parse(const char *text, const char *field, psti_recipe *out) {
    return parse((piece){text, strlen(text)}, field, out);
}

pst_status psti_recipe_of_layer(const char *text, const char *by_layer, uint32_t index, uint32_t count,
                                psti_recipe *out) {
    psti_recipe other;
    uint64_t seen[PSTI_RECIPE_LAYERS / 64] = {0};
    pst_status status = psti_recipe_parse(text, "format", out);
    while (!status && by_layer) {
        piece part = next(&by_layer, ';');
        char *end;
        unsigned long layer = strtoul(part.at, &end, 10);
        if (part.at[0] < '0' || part.at[0] > '9' || *end != '=')
            return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "format of a layer"},
                             "format of a layer: expected LAYER=FORMAT, as 0=w8a16, found \"%.*s\"", (int)part.n,
                             part.at);
        if (layer >= count || layer >= PSTI_RECIPE_LAYERS)
            return psti_fail(PST_E_ARGUMENT,
                             (psti_where){.field = "format of a layer",
                                          .expected = (int64_t)count - 1,
                                          .found = layer > INT64_MAX ? INT64_MAX : (int64_t)layer},
                             "format of a layer: the model has layers 0 to %" PRIu32 ", found %lu", count - 1, layer);
        if (seen[layer / 64] >> layer % 64 & 1)
            return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "format of a layer", .found = (int64_t)layer},
                             "format of a layer: layer %lu is given twice", layer);
        seen[layer / 64] |= (uint64_t)1 << layer % 64;
        size_t head = (size_t)(end + 1 - part.at);
        status = parse((piece){end + 1, part.n - head}, "format of a layer", &other);
        if (!status && layer == index)
            *out = other;
    }
    return status;
}
