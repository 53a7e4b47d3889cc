package dev.llmworker.weights;

import dev.llmworker.weights.content.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/// Small folders with one quantised matrix, to be damaged by tests.
enum QuantisedFolder {
    GPTQ(Map.of("quant_method", "gptq", "bits", 4, "group_size", 4, "sym", false), file -> {
        part(file, ".qweight", "I32", 4, 1, 8);
        part(file, ".qzeros", "I32", 4, 2, 1);
        file.tensor(QuantisedFolder.MODULE + ".scales", TensorType.F16, new float[16], 2, 8);
        part(file, ".g_idx", "I32", 4, 8);
    }),
    AWQ(Map.of("quant_method", "awq", "bits", 4, "group_size", 4, "version", "gemm"), file -> {
        part(file, ".qweight", "I32", 4, 8, 1);
        part(file, ".qzeros", "I32", 4, 2, 1);
        file.tensor(QuantisedFolder.MODULE + ".scales", TensorType.F16, new float[16], 2, 8);
    }),
    FP8(
            Map.of("quant_method", "fp8", "weight_block_size", List.of(4, 4), "modules_to_not_convert", List.of()),
            file -> {
                part(file, ".weight", "F8_E4M3", 1, 8, 8);
                file.tensor(QuantisedFolder.MODULE + ".weight_scale_inv", TensorType.F32, new float[4], 2, 2);
                file.tensor(QuantisedFolder.MODULE + ".input_scale", TensorType.F32, new float[1]);
            }),
    PACKED(compressed("pack-quantized", "group", false), file -> {
        part(file, ".weight_packed", "I32", 4, 8, 1);
        file.tensor(QuantisedFolder.MODULE + ".weight_scale", TensorType.BF16, new float[16], 8, 2);
        part(file, ".weight_zero_point", "I32", 4, 1, 2);
        file.raw(
                QuantisedFolder.MODULE + ".weight_shape",
                "I64",
                new byte[] {8, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0},
                2);
    }),
    BITSANDBYTES(Map.of("quant_method", "bitsandbytes", "load_in_4bit", true, "bnb_4bit_quant_type", "nf4"), file -> {
        part(file, ".weight", "U8", 1, 32, 1);
        part(file, ".weight.absmax", "U8", 1, 4);
        file.tensor(QuantisedFolder.MODULE + ".weight.quant_map", TensorType.F32, ones(16), 16);
        file.tensor(QuantisedFolder.MODULE + ".weight.nested_absmax", TensorType.F32, new float[2], 2);
        file.tensor(QuantisedFolder.MODULE + ".weight.nested_quant_map", TensorType.F32, ones(256), 256);
        var state =
                "{\"quant_type\":\"nf4\",\"blocksize\":16,\"shape\":[8,8],\"nested_blocksize\":2,\"nested_offset\":1}";
        file.raw(
                QuantisedFolder.MODULE + ".weight.quant_state.bitsandbytes__nf4",
                "U8",
                SafetensorsFile.text(state),
                state.length());
    });

    /// Of 8 rows and 8 columns.
    static final String MODULE = "model.layers.0.self_attn.q_proj";

    private final Map<String, ?> config;
    private final Consumer<SafetensorsFile> parts;

    QuantisedFolder(Map<String, ?> config, Consumer<SafetensorsFile> parts) {
        this.config = config;
        this.parts = parts;
    }

    private static Map<String, ?> compressed(String format, String strategy, boolean symmetric) {
        var weights =
                Map.of("num_bits", 4, "type", "int", "strategy", strategy, "group_size", 4, "symmetric", symmetric);
        var group = Map.of("weights", weights, "targets", List.of("Linear"));
        return Map.of(
                "quant_method",
                "compressed-tensors",
                "format",
                format,
                "config_groups",
                Map.of("group_0", group),
                "ignore",
                List.of("lm_head", "re:.*mlp.*"));
    }

    private static float[] ones(int count) {
        var ones = new float[count];
        Arrays.fill(ones, 1);
        return ones;
    }

    /// Zeros in a part of the matrix.
    private static void part(SafetensorsFile file, String suffix, String type, int bytes, long... shape) {
        var count = bytes;
        for (var size : shape) {
            count *= (int) size;
        }
        file.raw(MODULE + suffix, type, new byte[count], shape);
    }

    SafetensorsFolder folder() {
        return folder(parts);
    }

    /// With other parts.
    SafetensorsFolder folder(Consumer<SafetensorsFile> others) {
        var folder = new SafetensorsFolder(32, 4, Set.of(MODULE + ".weight"));
        folder.config.put("quantization_config", config);
        others.accept(folder.weights);
        return folder;
    }
}
