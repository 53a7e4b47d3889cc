// The ids that llama.cpp gives texts: llama_ids MODEL.gguf TEXTS IDS
//
// TEXTS has a count, then each text's length in bytes and its bytes. IDS gets for each text the ids as plain text, then
// those with control tokens, each after their count. All numbers are little-endian int32. Prints the special tokens.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "llama.h"

static int32_t number(FILE * file) {
    int32_t value = 0;
    if (fread(&value, sizeof value, 1, file) != 1) {
        exit(2);
    }
    return value;
}

static void print_special(const llama_vocab * vocab) {
    printf("{\"begins\":%s,\"bos\":%d,\"ends\":[", llama_vocab_get_add_bos(vocab) ? "true" : "false", llama_vocab_bos(vocab));
    const char * separator = "";
    for (int id = 0; id < llama_vocab_n_tokens(vocab); id++) {
        if (llama_vocab_is_eog(vocab, id)) {
            printf("%s%d", separator, id);
            separator = ",";
        }
    }
    puts("]}");
}

int main(int, char ** arguments) {
    llama_log_set([](ggml_log_level level, const char * text, void *) {
        if (level == GGML_LOG_LEVEL_ERROR) {
            fputs(text, stderr);
        }
    }, nullptr);
    auto parameters = llama_model_default_params();
    parameters.vocab_only = true;
    auto * model = llama_model_load_from_file(arguments[1], parameters);
    FILE * texts = fopen(arguments[2], "rb");
    FILE * out = fopen(arguments[3], "wb");
    if (!model || !texts || !out) {
        return 1;
    }
    const auto * vocab = llama_model_get_vocab(model);
    std::vector<llama_token> ids(1 << 22);
    std::string text;
    for (int32_t left = number(texts); left > 0; left--) {
        text.resize(number(texts));
        if (!text.empty() && fread(text.data(), text.size(), 1, texts) != 1) {
            return 2;
        }
        for (const bool control : {false, true}) {
            int32_t count = llama_tokenize(vocab, text.data(), text.size(), ids.data(), ids.size(), false, control);
            if (count < 0) {
                return 3;
            }
            fwrite(&count, sizeof count, 1, out);
            fwrite(ids.data(), sizeof ids[0], count, out);
        }
    }
    fclose(out);
    print_special(vocab);
}
