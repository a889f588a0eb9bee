/* The matrices of a program: see matrices.h. */
#include "matrices.h"

#include <math.h>
#include <stdio.h>

#include "commands.h"
#include "json.h"
#include "output.h"

/* Calls `put` for every matrix of every layer. */
static int each(const pst_program *program, void (*put)(uint32_t layer, const pst_matrix_info *m)) {
    pst_info info;
    PST_INIT(info);
    if (pst_program_get_info(program, &info) != PST_OK)
        return cli_library_error(NULL);
    for (uint32_t i = 0; i < info.layers; i++) {
        pst_layer_info layer;
        PST_INIT(layer);
        if (pst_program_get_layer(program, i, &layer) != PST_OK)
            return cli_library_error(NULL);
        for (uint32_t k = 0; k < layer.matrices; k++) {
            pst_matrix_info m;
            PST_INIT(m);
            if (pst_program_get_matrix(program, i, k, &m) != PST_OK)
                return cli_library_error(NULL);
            put(i, &m);
        }
    }
    return CLI_OK;
}

static void put_row(uint32_t layer, const pst_matrix_info *m) {
    char group[24] = "-", error[24] = "-", share[24] = "-", gain[24] = "-";
    if (m->group)
        snprintf(group, sizeof group, "%u", m->group);
    if (!isnan(m->error))
        snprintf(error, sizeof error, "%.3e", m->error);
    if (!isnan(m->error_share))
        snprintf(share, sizeof share, "%.1f %%", 100 * m->error_share);
    if (m->product_error_nearest > 0)
        snprintf(gain, sizeof gain, "%.2f", m->product_error / m->product_error_nearest);
    printf("%5u  %-10s %-8s %13s %11s %6s %10s %16s %8s\n", layer, m->name, m->encoding, cli_grouped(m->bytes),
           cli_grouped(m->padding_bytes), group, gain, error, share);
}

int cli_print_matrices(const pst_program *program) {
    printf("%5s  %-10s %-8s %13s %11s %6s %10s %16s %8s\n", "layer", "matrix", "encoding", "bytes", "padding", "group",
           "of nearest", "rms error alone", "share");
    return each(program, put_row);
}

/* Of all matrices: the least and largest error of products over that of the nearest codes. */
static double least_gain, most_gain;

static void find_gain(uint32_t layer, const pst_matrix_info *m) {
    (void)layer;
    if (!(m->product_error_nearest > 0))
        return;
    double gain = m->product_error / m->product_error_nearest;
    least_gain = most_gain == 0 || gain < least_gain ? gain : least_gain;
    most_gain = gain > most_gain ? gain : most_gain;
}

int cli_print_rounding(const pst_program *program) {
    least_gain = most_gain = 0;
    int result = each(program, find_gain);
    if (result == CLI_OK && most_gain > 0)
        printf(
            "rounding: over the calibration the products of the matrices err %.2f to %.2f times what they would with "
            "weights rounded to nearest\n",
            least_gain, most_gain);
    return result;
}

static void put_json(uint32_t layer, const pst_matrix_info *m) {
    cli_json_open(NULL, '{');
    cli_json_whole("layer", layer);
    cli_json_string("name", m->name);
    cli_json_string("encoding", m->encoding);
    cli_json_whole("bytes", m->bytes);
    cli_json_whole("padding_bytes", m->padding_bytes);
    cli_json_whole("group", m->group);
    cli_json_number("error", m->error);
    cli_json_number("error_share", m->error_share);
    cli_json_number("product_error", m->product_error);
    cli_json_number("product_error_nearest", m->product_error_nearest);
    cli_json_close();
}

int cli_print_matrices_json(const pst_program *program) {
    cli_json_open("matrices", '[');
    int result = each(program, put_json);
    cli_json_close();
    return result;
}
