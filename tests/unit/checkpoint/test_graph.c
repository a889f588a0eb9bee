/* The layer graph in the metadata, schema version 1. */
#include "make.h"

#include "model/model.h"

static making m;

/* An lstm [2 -> 3] and a linear [3 -> 2] under names that mean nothing. */
static void tensors(void) {
    make_tensor(&m, "a", 12, 2, 0);
    make_tensor(&m, "b", 12, 3, 100);
    make_tensor(&m, "c", 12, 0, 200);
    make_tensor(&m, "d", 12, 0, 300);
    make_tensor(&m, "e", 2, 3, 400);
    make_tensor(&m, "f", 2, 0, 500);
    make_tensor(&m, "g", 3, 0, 600);
    make_tensor(&m, "h", 3, 0, 700);
}

#define LSTM                                                                                                           \
    "{\"kind\":\"lstm\",\"tensors\":{\"weight_ih\":\"a\",\"weight_hh\":\"b\",\"bias_ih\":\"c\",\"bias_hh\":\"d\","     \
    "\"h0\":\"g\",\"c0\":\"h\"}}"
#define LINEAR "{\"kind\":\"linear\",\"tensors\":{\"weight\":\"e\",\"bias\":\"f\"}}"
#define GRAPH(layers) "{\"version\":1,\"layers\":[" layers "]}"

static void bad_graph(const char *graph, pst_status status, const char *const *words) {
    make_metadata(&m, "penstock.graph", graph);
    tensors();
    refuse(&m, status, words);
}

static void sound(void **unused) {
    (void)unused;
    make_metadata(&m, "penstock.graph",
                  GRAPH(LSTM ",{\"kind\":\"activation\",\"function\":\"relu\"},"
                             "{\"kind\":\"activation\",\"function\":\"clip\",\"alpha\":-1,\"beta\":0.5}," LINEAR
                             ",{\"function\":\"leaky_relu\",\"kind\":\"activation\",\"alpha\":0.25},"
                             "{\"kind\":\"softmax\",\"tensors\":{}}"));
    tensors();
    pst_model *model = accept(&m, NULL);
    assert_string_equal(summary(model), "lstm 2 3, relu 3 3, clip 3 3, linear 3 2, leaky_relu 2 2, softmax 2 2");
    const psti_layer *layers = model->layers;
    const float first[PSTI_LSTM_TENSORS] = {0, 100, 200, 300, 600, 700};
    for (int t = 0; t < PSTI_LSTM_TENSORS; t++) {
        assert_true(layers[0].tensor[t][0] == first[t]);
    }
    assert_true(layers[2].alpha == -1 && layers[2].beta == 0.5f && layers[4].alpha == 0.25f);
    assert_true(layers[3].tensor[PSTI_LINEAR_WEIGHT][5] == 405 && layers[3].tensor[PSTI_LINEAR_BIAS][1] == 501);
    pst_model_free(model);
}

static void readout(void **unused) {
    (void)unused;
    static const struct {
        const char *graph, *told;
    } cases[] = {{"{\"version\":1,\"layers\":[" LSTM "," LINEAR "]}", "all"},
                 {"{\"version\":1,\"readout\":\"all\",\"layers\":[" LSTM "," LINEAR "]}", "all"},
                 {"{\"layers\":[" LSTM "," LINEAR "],\"readout\":\"last\",\"version\":1}", "last"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_metadata(&m, "penstock.graph", cases[i].graph);
        tensors();
        pst_model *model = accept(&m, NULL);
        pst_info info;
        PST_INIT(info);
        assert_int_equal(pst_model_get_info(model, &info), PST_OK);
        assert_string_equal(info.readout, cases[i].told);
        pst_model_free(model);
    }
}

static void one_tensor_may_serve_twice(void **unused) {
    (void)unused;
    make_metadata(&m, "penstock.graph",
                  GRAPH("{\"kind\":\"linear\",\"tensors\":{\"weight\":\"w\"}},"
                        "{\"kind\":\"linear\",\"tensors\":{\"weight\":\"w\"}}"));
    make_tensor(&m, "w", 2, 2, 0);
    pst_model *model = accept(&m, NULL);
    assert_string_equal(summary(model), "linear 2 2, linear 2 2");
    pst_model_free(model);
}

static void names_are_below_the_prefix(void **unused) {
    (void)unused;
    make_metadata(&m, "penstock.graph", GRAPH("{\"kind\":\"linear\",\"tensors\":{\"weight\":\"w\"}}"));
    make_tensor(&m, "w", 2, 7, 0);
    make_tensor(&m, "net.w", 2, 2, 0);
    pst_model *model = accept(&m, "net.");
    assert_string_equal(summary(model), "linear 2 2");
    pst_model_free(model);
}

static void the_graph_itself(void **unused) {
    (void)unused;
    static const struct {
        const char *graph;
        pst_status status;
        const char *words[2];
    } bad[] = {
        {"", PST_E_CORRUPT, {"not valid JSON"}},
        {"{", PST_E_CORRUPT, {"not valid JSON"}},
        {"[]", PST_E_CORRUPT, {"not a JSON object"}},
        {"{\"version\":1,\"version\":1,\"layers\":[]}", PST_E_CORRUPT, {"duplicate"}},
        {"{\"layers\":[]}", PST_E_CORRUPT, {"version", "missing"}},
        {"{\"version\":\"1\",\"layers\":[]}", PST_E_CORRUPT, {"version", "not a whole number"}},
        {"{\"version\":1.0,\"layers\":[]}", PST_E_CORRUPT, {"version", "not a whole number"}},
        {"{\"version\":2,\"nodes\":[]}", PST_E_UNSUPPORTED, {"version", "2, this version of Penstock reads 1"}},
        {"{\"version\":0,\"layers\":[]}", PST_E_UNSUPPORTED, {"version"}},
        {"{\"version\":1,\"layers\":[],\"x\":1,\"y\":2}", PST_E_UNSUPPORTED, {"unknown fields \"x\", \"y\""}},
        {"{\"version\":1}", PST_E_CORRUPT, {"layers", "missing"}},
        {"{\"version\":1,\"readout\":1,\"layers\":[]}", PST_E_CORRUPT, {"readout: not a string"}},
        {"{\"version\":1,\"readout\":null,\"layers\":[]}", PST_E_CORRUPT, {"readout: not a string"}},
        {"{\"version\":1,\"readout\":\"first\",\"layers\":[]}",
         PST_E_UNSUPPORTED,
         {"readout: \"all\" or \"last\" expected, found \"first\""}},
        {"{\"version\":1,\"readout\":\"\",\"layers\":[]}", PST_E_UNSUPPORTED, {"readout", "found \"\""}},
        {"{\"version\":1,\"layers\":{}}", PST_E_CORRUPT, {"layers", "not an array"}},
        {"{\"version\":1,\"layers\":[]}", PST_E_CORRUPT, {"0 layers"}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bad_graph(bad[i].graph, bad[i].status,
                  WORDS("checkpoint: penstock.graph", bad[i].words[0], bad[i].words[1] ? bad[i].words[1] : ""));
        assert_string_equal(last_error().item, "penstock.graph");
    }
    char *many = malloc(1025 * 22 + 64);
    size_t used = (size_t)sprintf(many, "{\"version\":1,\"layers\":[");
    for (int i = 0; i < 1025; i++) {
        used += (size_t)sprintf(many + used, "%s{\"kind\":\"softmax\"}", i ? "," : "");
    }
    (void)sprintf(many + used, "]}");
    bad_graph(many, PST_E_UNSUPPORTED, WORDS("1025 layers, 1 to 1024"));
    free(many);
}

static void its_layers(void **unused) {
    (void)unused;
    static const struct {
        const char *layer;
        pst_status status;
        const char *words[2];
    } bad[] = {
        {"5", PST_E_CORRUPT, {"not an object"}},
        {"{}", PST_E_CORRUPT, {"kind: missing"}},
        {"{\"kind\":1}", PST_E_CORRUPT, {"kind: not a string"}},
        {"{\"kind\":\"lstm\",\"hidden\":3,\"bidirectional\":true}",
         PST_E_UNSUPPORTED,
         {"unknown fields \"hidden\", \"bidirectional\""}},
        {"{\"kind\":\"lstm\",\"tensors\":[]}", PST_E_CORRUPT, {"tensors: not an object"}},
        {"{\"kind\":\"lstm\",\"tensors\":{\"weight_ih\":1}}", PST_E_CORRUPT, {"weight_ih", "not a string"}},
        {"{\"kind\":\"lstm\",\"tensors\":{\"weight_ih\":\"z\"}}", PST_E_CORRUPT, {"weight_ih", "no tensor \"z\""}},
        {"{\"kind\":\"lstm\",\"tensors\":{\"1\":\"a\",\"2\":\"a\",\"3\":\"a\",\"4\":\"a\",\"5\":\"a\",\"6\":\"a\","
         "\"7\":\"a\",\"8\":\"a\",\"9\":\"a\"}}",
         PST_E_UNSUPPORTED,
         {"more tensors"}},
        {"{\"kind\":\"activation\",\"function\":1}", PST_E_CORRUPT, {"function: not a string"}},
        {"{\"kind\":\"activation\",\"function\":\"elu\",\"alpha\":\"1\"}", PST_E_CORRUPT, {"alpha: not a number"}},
        {"{\"kind\":\"activation\",\"function\":\"elu\",\"beta\":true}", PST_E_CORRUPT, {"beta: not a number"}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char graph[1024];
        (void)snprintf(graph, sizeof graph, GRAPH(LSTM ",%s"), bad[i].layer);
        bad_graph(
            graph, bad[i].status,
            WORDS("checkpoint: penstock.graph, layer 1", bad[i].words[0], bad[i].words[1] ? bad[i].words[1] : ""));
    }
    /* What the model refuses is said with the file's and the layer's names. */
    bad_graph(GRAPH(LSTM "," LINEAR ",{\"kind\":\"gru\"}"), PST_E_UNSUPPORTED,
              WORDS("checkpoint: layer 2", "unknown kind \"gru\""));
    bad_graph(GRAPH(LSTM "," LINEAR ",{\"kind\":\"activation\"}"), PST_E_ARGUMENT,
              WORDS("checkpoint: layer 2 (activation): function is missing"));
    bad_graph(GRAPH(LSTM "," LINEAR ",{\"kind\":\"softmax\",\"alpha\":1}"), PST_E_UNSUPPORTED,
              WORDS("checkpoint: layer 2 (softmax)", "alpha"));
}

static void all_tensors_are_used(void **unused) {
    (void)unused;
    bad_graph(GRAPH(LSTM), PST_E_UNSUPPORTED, WORDS("2 tensors are left over", "e F32 [2, 3], f F32 [2]"));
    assert_string_equal(last_error().item, "e");
    /* An I64 tensor in the file matters only if a layer names it. */
    make_metadata(&m, "penstock.graph", GRAPH("{\"kind\":\"linear\",\"tensors\":{\"weight\":\"n\"}}"));
    make_entry(&m, "n", "I64", "[1,1]", "\0\0\0\0\0\0\0", 8);
    refuse(&m, PST_E_UNSUPPORTED, WORDS("tensor \"n\" (layer 0 (linear), weight): dtype I64"));
    /* Wrong shape: the file's name of the tensor, the layer, expected and found. */
    make_metadata(&m, "penstock.graph", GRAPH("{\"kind\":\"linear\",\"tensors\":{\"weight\":\"w\",\"bias\":\"v\"}}"));
    make_tensor(&m, "w", 2, 2, 0);
    make_tensor(&m, "v", 3, 0, 0);
    refuse(&m, PST_E_SHAPE, WORDS("tensor \"v\" (layer 0 (linear), bias): shape [3], expected [2]"));
    assert_true(last_error().expected == 2 && last_error().found == 3);
    assert_string_equal(last_error().item, "v");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound),
        cmocka_unit_test(readout),
        cmocka_unit_test(one_tensor_may_serve_twice),
        cmocka_unit_test(names_are_below_the_prefix),
        cmocka_unit_test(the_graph_itself),
        cmocka_unit_test(its_layers),
        cmocka_unit_test(all_tensors_are_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
