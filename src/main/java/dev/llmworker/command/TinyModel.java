package dev.llmworker.command;

import dev.llmworker.text.ByteAlphabet;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/// A tiny GGUF model with random weights. Its text is meaningless, but it runs all the code of a real model.
public final class TinyModel {
    private static final int HIDDEN = 64;
    private static final int FEED_FORWARD = 128;
    private static final int HEADS = 2;
    private static final int LAYERS = 2;
    /// A multiple of 64, which the layouts of the weights need.
    private static final int VOCABULARY = 320;

    private static final String TEMPLATE = """
            {%- for message in messages -%}
            {%- if loop.first and message['role'] != 'system' %}{{ '<|im_start|>system\\nHelp.<|im_end|>\\n' }}{% endif -%}
            {{ '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + '<|im_end|>' + '\\n' }}
            {%- endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}""";

    // GGUF's numbers of its value types.
    private static final int UINT32 = 4;
    private static final int INT32 = 5;
    private static final int FLOAT32 = 6;
    private static final int STRING = 8;
    private static final int ARRAY = 9;
    private static final int F32 = 0;
    private static final int Q8_0 = 8;
    private static final int ALIGNMENT = 32;
    /// More than the whole file takes.
    private static final int CAPACITY = 1 << 18;

    private final Random random = new Random(1);
    private final ByteBuffer metadata = buffer();
    private final ByteBuffer descriptions = buffer();
    private final ByteBuffer data = buffer();
    private int keys;
    private int tensors;

    private TinyModel() {}

    public static void write(Path file) throws IOException {
        var model = new TinyModel();
        model.architecture();
        model.tokenizer();
        model.weights();
        var bytes = buffer().putInt(0x46554747).putInt(3).putLong(model.tensors).putLong(model.keys);
        bytes.put(model.metadata.flip()).put(model.descriptions.flip());
        pad(bytes).put(model.data.flip());
        Files.write(file, Arrays.copyOf(bytes.array(), bytes.position()));
    }

    private static ByteBuffer buffer() {
        return ByteBuffer.allocate(CAPACITY).order(ByteOrder.LITTLE_ENDIAN);
    }

    private void architecture() {
        text("general.architecture", "llama");
        text("general.name", "tiny");
        text("tokenizer.chat_template", TEMPLATE);
        integer("llama.block_count", LAYERS);
        integer("llama.embedding_length", HIDDEN);
        integer("llama.feed_forward_length", FEED_FORWARD);
        integer("llama.attention.head_count", HEADS);
        integer("llama.attention.head_count_kv", 1);
        integer("llama.context_length", 512);
        integer("llama.rope.dimension_count", HIDDEN / HEADS);
        key("llama.rope.freq_base", FLOAT32).putFloat(10_000);
        key("llama.attention.layer_norm_rms_epsilon", FLOAT32).putFloat(1e-5f);
    }

    /// The vocabulary: GPT-2's byte alphabet, one merge, and ChatML's control tokens.
    private void tokenizer() {
        var names = new ArrayList<>(ByteAlphabet.characters().toList());
        names.addAll(List.of("he", "<|im_start|>", "<|im_end|>"));
        for (var i = names.size(); i < VOCABULARY; i++) {
            names.add("<unused" + i + ">");
        }
        text("tokenizer.ggml.model", "gpt2");
        text("tokenizer.ggml.pre", "default");
        strings("tokenizer.ggml.tokens", names);
        strings("tokenizer.ggml.merges", List.of("h e"));
        var types = key("tokenizer.ggml.token_type", ARRAY).putInt(INT32).putLong(names.size());
        names.forEach(name -> types.putInt(name.length() > 2 ? 3 : 1));
        integer("tokenizer.ggml.eos_token_id", names.indexOf("<|im_end|>"));
        integer("tokenizer.ggml.bos_token_id", names.indexOf("<|im_start|>"));
    }

    private void weights() {
        matrix("token_embd.weight", VOCABULARY, HIDDEN);
        for (var layer = 0; layer < LAYERS; layer++) {
            var block = "blk." + layer + ".";
            norm(block + "attn_norm.weight");
            norm(block + "ffn_norm.weight");
            matrix(block + "attn_q.weight", HIDDEN, HIDDEN);
            matrix(block + "attn_k.weight", HIDDEN / HEADS, HIDDEN);
            matrix(block + "attn_v.weight", HIDDEN / HEADS, HIDDEN);
            matrix(block + "attn_output.weight", HIDDEN, HIDDEN);
            matrix(block + "ffn_gate.weight", FEED_FORWARD, HIDDEN);
            matrix(block + "ffn_up.weight", FEED_FORWARD, HIDDEN);
            matrix(block + "ffn_down.weight", HIDDEN, FEED_FORWARD);
        }
        norm("output_norm.weight");
    }

    private void norm(String name) {
        describe(name, F32, HIDDEN);
        for (var i = 0; i < HIDDEN; i++) {
            data.putFloat(1);
        }
        pad(data);
    }

    private void matrix(String name, int rows, int columns) {
        describe(name, Q8_0, columns, rows);
        var block = new byte[32];
        for (var i = 0; i < rows * columns / block.length; i++) {
            // A scale of 2⁻¹⁰ in float16, then the block's values.
            data.putShort((short) 0x1400);
            random.nextBytes(block);
            data.put(block);
        }
        pad(data);
    }

    private void describe(String name, int type, int... shape) {
        tensors++;
        string(descriptions, name).putInt(shape.length);
        for (var size : shape) {
            descriptions.putLong(size);
        }
        descriptions.putInt(type).putLong(data.position());
    }

    private void integer(String name, int value) {
        key(name, UINT32).putInt(value);
    }

    private void strings(String name, List<String> values) {
        var array = key(name, ARRAY).putInt(STRING).putLong(values.size());
        values.forEach(value -> string(array, value));
    }

    private void text(String name, String value) {
        string(key(name, STRING), value);
    }

    private ByteBuffer key(String name, int type) {
        keys++;
        return string(metadata, name).putInt(type);
    }

    private static ByteBuffer string(ByteBuffer bytes, String text) {
        var utf8 = text.getBytes(StandardCharsets.UTF_8);
        return bytes.putLong(utf8.length).put(utf8);
    }

    private static ByteBuffer pad(ByteBuffer bytes) {
        return bytes.put(new byte[Math.floorMod(-bytes.position(), ALIGNMENT)]);
    }
}
