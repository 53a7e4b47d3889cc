package dev.llmworker.command;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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

    private static final int BYTES = 256;
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

    private final Random random = new Random(1);
    private final Bytes metadata = new Bytes();
    private final Bytes descriptions = new Bytes();
    private final Bytes data = new Bytes();
    private int keys;
    private int tensors;

    private TinyModel() {}

    public static void write(Path file) throws IOException {
        var model = new TinyModel();
        model.architecture();
        model.tokenizer();
        model.weights();
        var bytes = new Bytes().int32(0x46554747).int32(3).int64(model.tensors).int64(model.keys);
        bytes.writeBytes(model.metadata.toByteArray());
        bytes.writeBytes(model.descriptions.toByteArray());
        bytes.pad();
        bytes.writeBytes(model.data.toByteArray());
        Files.write(file, bytes.toByteArray());
    }

    private void architecture() {
        key("general.architecture", STRING).string("llama");
        key("general.name", STRING).string("tiny");
        key("tokenizer.chat_template", STRING).string(TEMPLATE);
        integer("llama.block_count", LAYERS);
        integer("llama.embedding_length", HIDDEN);
        integer("llama.feed_forward_length", FEED_FORWARD);
        integer("llama.attention.head_count", HEADS);
        integer("llama.attention.head_count_kv", 1);
        integer("llama.context_length", 512);
        integer("llama.rope.dimension_count", HIDDEN / HEADS);
        key("llama.rope.freq_base", FLOAT32).number(10_000);
        key("llama.attention.layer_norm_rms_epsilon", FLOAT32).number(1e-5f);
    }

    /// The vocabulary: GPT-2's byte alphabet, one merge, and ChatML's control tokens.
    private void tokenizer() {
        var names = new ArrayList<String>();
        var next = BYTES;
        for (var value = 0; value < BYTES; value++) {
            var printable = value > 0x20 && value < 0x7F || value > 0xA0 && value != 0xAD;
            names.add(Character.toString(printable ? value : next++));
        }
        names.addAll(List.of("he", "<|im_start|>", "<|im_end|>"));
        for (var i = names.size(); i < VOCABULARY; i++) {
            names.add("<unused" + i + ">");
        }
        key("tokenizer.ggml.model", STRING).string("gpt2");
        key("tokenizer.ggml.pre", STRING).string("default");
        strings("tokenizer.ggml.tokens", names);
        strings("tokenizer.ggml.merges", List.of("h e"));
        var types = key("tokenizer.ggml.token_type", ARRAY).int32(INT32).int64(names.size());
        names.forEach(name -> types.int32(name.length() > 2 ? 3 : 1));
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
            data.number(1);
        }
        data.pad();
    }

    private void matrix(String name, int rows, int columns) {
        describe(name, Q8_0, columns, rows);
        var block = new byte[32];
        for (var i = 0; i < rows * columns / block.length; i++) {
            // A scale of 2⁻¹⁰ in float16, then the block's values.
            data.write(0x00);
            data.write(0x14);
            random.nextBytes(block);
            data.writeBytes(block);
        }
        data.pad();
    }

    private void describe(String name, int type, int... shape) {
        tensors++;
        descriptions.string(name).int32(shape.length);
        for (var size : shape) {
            descriptions.int64(size);
        }
        descriptions.int32(type).int64(data.size());
    }

    private void integer(String name, int value) {
        key(name, UINT32).int32(value);
    }

    private void strings(String name, List<String> values) {
        var array = key(name, ARRAY).int32(STRING).int64(values.size());
        values.forEach(array::string);
    }

    private Bytes key(String name, int type) {
        keys++;
        return metadata.string(name).int32(type);
    }

    /// A buffer with little-endian numbers.
    private static final class Bytes extends ByteArrayOutputStream {
        Bytes int32(int value) {
            writeBytes(ByteBuffer.allocate(Integer.BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putInt(value)
                    .array());
            return this;
        }

        Bytes int64(long value) {
            return int32((int) value).int32((int) (value >> Integer.SIZE));
        }

        Bytes number(float value) {
            return int32(Float.floatToRawIntBits(value));
        }

        Bytes string(String text) {
            var bytes = text.getBytes(StandardCharsets.UTF_8);
            int64(bytes.length).writeBytes(bytes);
            return this;
        }

        void pad() {
            writeBytes(new byte[Math.floorMod(-size(), ALIGNMENT)]);
        }
    }
}
