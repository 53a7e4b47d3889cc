package dev.llmworker.text;

import dev.llmworker.text.gguf.GgufTokenizer;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.GgufFile;
import dev.llmworker.weights.content.Metadata;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/// Metadata of models with a few dozen words, for tests to change and break.
public final class TinyVocabularies {
    public static final int NORMAL = 1;
    static final int UNKNOWN = 2;
    public static final int CONTROL = 3;
    public static final int USER_DEFINED = 4;
    static final int BYTE = 6;

    public final List<String> tokens = new ArrayList<>();
    final List<Integer> types = new ArrayList<>();
    /// What the file says that its model is.
    public String architecture = "llama";

    public final List<Float> scores = new ArrayList<>();
    final List<String> merges = new ArrayList<>();
    /// What else the file has; it may also replace what is written of the lists above.
    final Map<String, Consumer<GgufFile>> keys = new LinkedHashMap<>();

    /// Byte-level BPE with ChatML's control tokens, one user-defined token, all bytes and `hello`, alone and after a
    /// space.
    public static TinyVocabularies byteLevel(String preTokenizer) {
        var model = new TinyVocabularies();
        model.add("<|endoftext|>", CONTROL, 0);
        model.add("<|im_start|>", CONTROL, 0);
        model.add("<|im_end|>", CONTROL, 0);
        model.add("<tool>", USER_DEFINED, 0);
        var next = 0x100;
        for (var value = 0; value < 0x100; value++) {
            var printable = value > 0x20 && value < 0x7F || value > 0xA0 && value != 0xAD;
            model.add(Character.toString(printable ? value : next++), NORMAL, 0);
        }
        for (var pair : List.of("h e", "l l", "he ll", "hell o", "Ġ hello")) {
            model.merge(pair);
        }
        model.string("tokenizer.ggml.model", "gpt2");
        model.string("tokenizer.ggml.pre", preTokenizer);
        model.integer("tokenizer.ggml.bos_token_id", 1);
        model.integer("tokenizer.ggml.eos_token_id", 2);
        return model;
    }

    /// BPE with given merges.
    ///
    /// @param first control tokens and byte tokens
    /// @param letters tokens that no merge makes
    public static TinyVocabularies pairMerging(
            String model, String preTokenizer, List<String> first, List<String> letters, List<String> merges) {
        var tiny = new TinyVocabularies();
        first.forEach(token -> tiny.add(token, token.startsWith("<0x") ? BYTE : CONTROL, 0));
        letters.forEach(token -> tiny.add(token, NORMAL, 0));
        for (var merge : merges) {
            tiny.merges.add(merge);
            var token = merge.replace(" ", "");
            if (tiny.id(token) < 0) {
                tiny.add(token, NORMAL, 0);
            }
        }
        tiny.string("tokenizer.ggml.model", model);
        tiny.string("tokenizer.ggml.pre", preTokenizer);
        tiny.integer("tokenizer.ggml.bos_token_id", 0);
        tiny.integer("tokenizer.ggml.eos_token_id", 1);
        return tiny;
    }

    /// SentencePiece's BPE with all byte tokens and `▁hello`; its scores fall in the order of the words.
    public static TinyVocabularies sentencePiece() {
        var model = new TinyVocabularies();
        model.add("<unk>", UNKNOWN, 0);
        model.add("<s>", CONTROL, 0);
        model.add("</s>", CONTROL, 0);
        for (var value = 0; value < 0x100; value++) {
            model.add("<0x%02X>".formatted(value), BYTE, 0);
        }
        var score = 0;
        for (var word :
                List.of("he", "ll", "hell", "hello", "▁hello", "▁▁", "aa", "aaa", "▁", "h", "e", "l", "o", "a")) {
            model.add(word, NORMAL, score--);
        }
        model.string("tokenizer.ggml.model", "llama");
        model.string("tokenizer.ggml.pre", "default");
        model.integer("tokenizer.ggml.bos_token_id", 1);
        model.integer("tokenizer.ggml.eos_token_id", 2);
        return model;
    }

    public int add(String token, int type, float score) {
        tokens.add(token);
        types.add(type);
        scores.add(score);
        return tokens.size() - 1;
    }

    /// @param pair two tokens with a space between; together they are a new token
    public int merge(String pair) {
        merges.add(pair);
        return add(pair.replace(" ", ""), NORMAL, 0);
    }

    /// Makes a token a control token.
    public TinyVocabularies control(String token) {
        types.set(id(token), CONTROL);
        return this;
    }

    public TinyVocabularies string(String key, String value) {
        keys.put(key, file -> file.string(key, value));
        return this;
    }

    /// Leaves a key out, also one of the lists.
    public TinyVocabularies without(String key) {
        keys.put(key, _ -> {});
        return this;
    }

    public TinyVocabularies integer(String key, int value) {
        keys.put(key, file -> file.integer(key, value));
        return this;
    }

    public TinyVocabularies flag(String key, boolean value) {
        keys.put(key, file -> file.flag(key, value));
        return this;
    }

    public int id(String token) {
        return tokens.indexOf(token);
    }

    public int[] ids(String... names) {
        return List.of(names).stream().mapToInt(this::id).toArray();
    }

    public ModelTokenizer tokenizer() throws IOException {
        return GgufTokenizer.of(metadata());
    }

    public Metadata metadata() throws IOException {
        var file = new GgufFile().string("general.architecture", architecture);
        var lists = new LinkedHashMap<String, Consumer<GgufFile>>();
        lists.put("tokenizer.ggml.tokens", f -> f.strings("tokenizer.ggml.tokens", tokens));
        lists.put("tokenizer.ggml.token_type", f -> f.integers("tokenizer.ggml.token_type", ints(types)));
        if (merges.isEmpty()) {
            lists.put("tokenizer.ggml.scores", f -> f.numbers("tokenizer.ggml.scores", floats(scores)));
        } else {
            lists.put("tokenizer.ggml.merges", f -> f.strings("tokenizer.ggml.merges", merges));
        }
        lists.putAll(keys);
        lists.values().forEach(write -> write.accept(file));
        var path = Files.createTempFile("tiny", ".gguf");
        try {
            file.write(path);
            try (var gguf = Gguf.open(path)) {
                return gguf.metadata();
            }
        } finally {
            Files.delete(path);
        }
    }

    static int[] ints(List<Integer> values) {
        return values.stream().mapToInt(Integer::intValue).toArray();
    }

    static float[] floats(List<Float> values) {
        var array = new float[values.size()];
        for (var i = 0; i < array.length; i++) {
            array[i] = values.get(i);
        }
        return array;
    }
}
