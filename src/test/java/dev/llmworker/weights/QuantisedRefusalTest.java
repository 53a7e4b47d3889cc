package dev.llmworker.weights;

import static dev.llmworker.weights.QuantisedFolder.MODULE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What is wrong with a quantised matrix is said by name, before anything is loaded.
class QuantisedRefusalTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path directory;

    private String refusal() {
        var refused = assertThrows(ModelFileException.class, () -> {
            try (var model = StoredModel.open(directory)) {
                for (var tensor : model.tensors().values()) {
                    tensor.checkFinite();
                }
            }
        });
        return String.valueOf(refused.getMessage());
    }

    @ParameterizedTest
    @EnumSource
    void aSoundMatrixIsRead(QuantisedFolder kind) throws IOException {
        kind.folder().write(directory);
        try (var model = StoredModel.open(directory)) {
            var matrix = model.tensor("blk.0.attn_q.weight");
            assertNotNull(matrix.packed());
            assertTrue(Arrays.equals(new long[] {8, 8}, matrix.shape()));
            matrix.checkFinite();
            assertTrue(model.quantisation().matches(".+, [48] bits.*"), model.quantisation());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "GPTQ | {'quant_method':'gptq'} | has bits missing; supported for gptq: 4, 8",
                "GPTQ | {'quant_method':'gptq','bits':3} | has bits 3; supported for gptq: 4, 8",
                "GPTQ | {'quant_method':'gptq','bits':4,'group_size':0} | has group_size 0; supported for gptq: -1 or 1 and",
                "GPTQ | {'quant_method':'gptq','bits':4} | has group_size missing; supported for gptq: -1 or 1 and more",
                "GPTQ | {'quant_method':'gptq','bits':4,'group_size':8} | has 2 groups of scales; 8 columns in groups of 8",
                "GPTQ | {'quant_method':'gptq','bits':8,'group_size':4} | has 2 groups of scales; 4 columns in groups of 4",
                "GPTQ | {'quant_method':'gptq','bits':4,'group_size':4,'checkpoint_format':'marlin'} | gptq, gptq_v2",
                "GPTQ | {'quant_method':'gptq','bits':4,'group_size':4,'pack_dtype':'int64'} | pack_dtype",
                "GPTQ | {'quant_method':'gptq','bits':4,'group_size':4,'dynamic':{'-:.*q_proj':{}}} | q_proj is not",
                "GPTQ | {'quant_method':'gptq','bits':4,'group_size':4,'dynamic':{'+:.*q_proj':{'bits':2}}} | has bits 2",
                "GPTQ | {'quant_method':'gptq','bits':4,'group_size':4,'dynamic':{'(':{}}} | the pattern (, which is no valid",
                "GPTQ | {'quant_method':'awq','bits':4,'group_size':4} | has 2 groups of scales; 1 columns in groups of 1 have 1",
                "GPTQ | {'quant_method':'auto-round','bits':4} | has quant_method \"auto-round\"; supported: awq, bitsandbytes,",
                "GPTQ | null | tensor " + MODULE + ".qweight is I32; supported: F32, F16, BF16, and parts of",
                "AWQ | {'quant_method':'awq','bits':4,'group_size':4,'version':'gemv'} | has version \"gemv\"; supported for awq",
                "AWQ | {'quant_method':'awq','bits':8,'group_size':4} | has bits 8; supported for awq: 4",
                "AWQ | {'quant_method':'awq','bits':4,'group_size':4,'zero_point':false} | has zero_point false",
                "AWQ | {'quant_method':'awq','bits':4,'group_size':4,'modules_to_not_convert':['q_proj']} | is not",
                "AWQ | {'quant_method':'awq','bits':4,'group_size':4,'modules_to_not_convert':['x','.*q_pro.']} | is not",
                "AWQ | {'quant_method':'awq','bits':4,'group_size':4,'modules_to_not_convert':['(([a-z._0-9]+)+)+!']} | too long",
                "AWQ | {'quant_method':'gptq','bits':4,'group_size':4} | has 2 groups of scales; 64 columns",
                "FP8 | {'quant_method':'fp8','fmt':'e5m2'} | has fmt \"e5m2\"; supported for fp8: e4m3",
                "FP8 | {'quant_method':'fp8','weight_block_size':[0,4]} | has weight_block_size [0,4]",
                "FP8 | {'quant_method':'fp8','weight_block_size':[8,4]} | weight_scale_inv has the shape [2, 2]; expected [2, 1]",
                "FP8 | {'quant_method':'fp8','weight_block_size':[4,8]} | has 2 groups of scales; 8 columns in groups of 8",
                "FP8 | {'quant_method':'bitsandbytes','load_in_8bit':true} | is F8_E4M3; by quantization_config this matrix is I8",
                "BITSANDBYTES | {'quant_method':'bitsandbytes','load_in_4bit':true,'bnb_4bit_quant_storage':'bfloat16'} |"
                        + " bnb_4bit_quant_storage",
                "PACKED | {'quant_method':'compressed-tensors','config_groups':{}} | has config_groups {}; supported for",
                "PACKED | {'quant_method':'compressed-tensors','transform_config':{'config_groups':{'a':{}}}} | transform_config",
                "PACKED | {'quant_method':'compressed-tensors','sparsity_config':{'format':'sparse-24-bitmask'}} | dense",
            })
    void aConfigurationThatIsNotSupportedIsRefused(QuantisedFolder kind, String config, String problem)
            throws IOException {
        var folder = kind.folder();
        folder.config.put("quantization_config", JSON.readTree(config.replace('\'', '"')));
        folder.write(directory);
        assertTrue(refusal().contains(problem), this::refusal);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '!',
            value = {
                "(?:^{2000000000}){2000000000} ! repeats what may be empty",
                "\\b{2000000000} ! repeats what may be empty",
                "(a{0}){2000000000} ! repeats what may be empty",
                "(?=a){2000000000} ! repeats what may be empty",
                "()()\\2{2000000000} ! not supported",
                "(?x)^ {2000000000} ! not supported",
                "\\Q\\E{2000000000} ! not supported",
                "(?:a*)*(?:a*)*(?:a*)*x ! repeats what may be empty",
                "(?:a*|b*)(?:a*|b*)(?:a*|b*)x ! has several alternatives that may be empty",
                "(?:|)(?:|)(?:|)x ! has several alternatives that may be empty",
                "[a-z&&[b]] ! not supported",
                "a)(b ! not supported",
            })
    void aPatternThatMayTakeForEverIsRefused(String pattern, String problem) throws IOException {
        var folder = QuantisedFolder.AWQ.folder();
        var config = JSON.createObjectNode()
                .put("quant_method", "awq")
                .put("bits", 4)
                .put("group_size", 4);
        config.putArray("modules_to_not_convert").add(pattern);
        folder.config.put("quantization_config", config);
        folder.write(directory);
        assertTrue(refusal().contains("has the pattern " + pattern + ", which "), this::refusal);
        assertTrue(refusal().contains(problem), this::refusal);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                ".*mlp\\.gate$",
                "(^|.*\\.)lm_head(\\.|$)",
                "model\\.layers\\.(1|2|3\\d?)\\.(?:q|k|v)_proj",
                "(?!.*visual)(?<name>[^.]{1,9}\\.)+?[a-z_]++",
                "(?i).*\\blayers\\.\\d{1,2}\\b",
            })
    void aPatternOfNamesIsTaken(String pattern) {
        assertEquals(Optional.empty(), PatternShape.problem(pattern));
    }

    @Test
    void theStepsOfAllPatternsAreCounted() throws IOException {
        QuantisedFolder.AWQ.folder().write(directory);
        var patterns = new NamePattern.Patterns(JsonFile.read(directory.resolve("config.json"), 1 << 20), 100);
        NamePattern plain = patterns.part("lm_head"), other = patterns.expression(".*x");
        for (var i = 0; i < 5; i++) {
            assertFalse(plain.matches(MODULE));
        }
        var refused = assertThrows(ModelFileException.class, () -> {
            for (var i = 0; i < 20; i++) {
                assertFalse(other.matches("model"));
            }
        });
        assertTrue(
                String.valueOf(refused.getMessage())
                        .contains("has the pattern .*x, which takes too long on model, as all patterns took 100 steps"),
                refused.getMessage());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'num_bits':4 | 'num_bits':3 | has num_bits 3; supported for compressed-tensors: 4, 8",
                "'strategy':'group' | 'strategy':'tensor_group' | has strategy \"tensor_group\"; supported",
                "'strategy':'group' | 'strategy':'channel' | has 2 groups of scales; 8 columns in groups of 8 have 1",
                "'group_size':4 | 'group_size':2 | has 2 groups of scales; 8 columns in groups of 2 have 4",
                "'type':'int' | 'type':'float' | has num_bits 4; supported for compressed-tensors: 8",
                "pack-quantized | nvfp4-pack-quantized | has format \"nvfp4-pack-quantized\"; supported",
                "pack-quantized | int-quantized | has format \"int-quantized\"; supported",
                "'Linear' | 'Embedding' | is quantised, but quantization_config says that " + MODULE + " is not",
                "'Linear' | 're:.*k_proj' | is quantised, but quantization_config says that " + MODULE + " is not",
                "'lm_head' | 're:.*q_proj$' | is quantised, but quantization_config says that " + MODULE + " is not",
                "'lm_head' | '" + MODULE + "' | is quantised, but quantization_config says that " + MODULE + " is not",
                "[\"lm_head\" | [7 | has ignore [7,\"re:.*mlp.*\"]; supported for compressed-tensors: at most",
            })
    void aGroupThatIsNotSupportedIsRefused(String part, String other, String problem) throws IOException {
        QuantisedFolder.PACKED.folder().write(directory);
        var file = directory.resolve("config.json");
        var config = Files.readString(file);
        var changed = config.replace(part.replace('\'', '"'), other.replace('\'', '"'));
        assertTrue(!changed.equals(config), config);
        Files.writeString(file, changed);
        assertTrue(refusal().contains(problem), this::refusal);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "GPTQ | .scales\" | .scalez\" | has no scales in " + MODULE + ".scales of type F32, F16 or BF16",
                "GPTQ | .qzeros\" | .qzeroz\" | has no " + MODULE + ".qzeros",
                "GPTQ | 'dtype':'F16','shape':[2,8] | 'dtype':'F16','shape':[4,4] | has 4 groups of scales; 8 columns in groups",
                "GPTQ | 'dtype':'F16','shape':[2,8] | 'dtype':'F16','shape':[2,2,4] | has 4 groups of scales",
                "GPTQ | 'dtype':'I32','shape':[2,1] | 'dtype':'I32','shape':[1,2] | qzeros is I32 of shape [1, 2]; expected I32",
                "GPTQ | 'dtype':'I32','shape':[2,1] | 'dtype':'I8','shape':[2,4] | qzeros is I8 of shape [2, 4]; expected I32",
                "GPTQ | 'dtype':'I32','shape':[1,8] | 'dtype':'I32','shape':[8] | has the shape [8]; quantised matrices have 2",
                "GPTQ | 'dtype':'I32','shape':[8] | 'dtype':'I32','shape':[2,4] | g_idx is I32 of shape [2, 4]; expected I32 of [8]",
                "AWQ | 'shape':[8,1] | 'shape':[4,2] | has 2 groups of scales; 4 columns in groups of 4 have 1",
                "AWQ | .qzeros\" | .extras\" | has no " + MODULE + ".qzeros",
                "FP8 | weight_scale_inv | weight_scale_own | has no scales in " + MODULE
                        + ".weight_scale of type F32, F16",
                "FP8 | 'dtype':'F32','shape':[2,2] | 'dtype':'F8_E4M3','shape':[4,4] | has no scales in",
                "FP8 | .input_scale | .other_scale | is sound",
                "PACKED | 'I64','shape':[2] | 'I64','shape':[2,1] | weight_shape is I64 of shape [2, 1]; expected I64 of [2]",
                "PACKED | 'dtype':'I32','shape':[1,2] | 'dtype':'I8','shape':[2,4] | zero_point is I8 of shape [2, 4]; expected I8",
                "BITSANDBYTES | .weight.absmax | .weight.abzmax | has no scales in " + MODULE
                        + ".weight.absmax of type F32",
                "BITSANDBYTES | nf4 | nf5 | has no " + MODULE + ".weight.quant_state.bitsandbytes__nf4",
                "BITSANDBYTES | 'shape':[16] | 'shape':[8,2] | is sound",
                "BITSANDBYTES | 'blocksize':16 | 'blocksize':10 | has 64 codes; its state says 8 x 8 in blocks of 10",
                "BITSANDBYTES | 'shape':[8,8],'nested | 'shape':[8,9],'nested | has 64 codes; its state says 8 x 9 in blocks of 16",
                "BITSANDBYTES | 'blocksize':16 | 'blocksize':-2 | has blocksize -2 and nested_blocksize 2; supported: even",
                "BITSANDBYTES | 'nested_blocksize':2 | 'nested_blocksize':0 | has blocksize 16 and nested_blocksize 0",
                "BITSANDBYTES | 'nested_offset':1 | 'nested_ofset':12 | has a scale of NaN in row 0, group 0; expected finite",
                "BITSANDBYTES | {\"quant_type | [\"quant_type | bitsandbytes__nf4 is not valid JSON: Unexpected character",
            })
    void aPartThatDoesNotFitIsRefused(QuantisedFolder kind, String part, String other, String problem)
            throws IOException {
        kind.folder().write(directory);
        var file = directory.resolve("model.safetensors");
        var bytes = Files.readString(file, StandardCharsets.ISO_8859_1);
        var length = bytes.charAt(0) | bytes.charAt(1) << Byte.SIZE;
        var header = bytes.substring(Long.BYTES, Long.BYTES + length);
        var data = bytes.substring(Long.BYTES + length);
        String from = part.replace('\'', '"'), to = other.replace('\'', '"');
        assertTrue((header + data).contains(from), header);
        Files.write(
                file,
                SafetensorsFile.bytes(
                        header.replace(from, to), data.replace(from, to).getBytes(StandardCharsets.ISO_8859_1)));
        if (problem.equals("is sound")) {
            StoredModel.open(directory).close();
        } else {
            assertTrue(refusal().contains(problem), this::refusal);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "GPTQ | .g_idx | 4 | 2 | g_idx has group 2 for column 1; there are 2",
                "GPTQ | .g_idx | 7 | -128 | g_idx has group -2147483648 for column 1; there are 2",
                "GPTQ | .scales | 1 | 124 | has a scale of Infinity in row 0, group 0; expected finite numbers",
                "GPTQ | .scales | 31 | 115 | in row 7, group 1, with which numbers may be above 65504.0; expected finite numbers",
                "FP8 | .weight | 17 | 127 | has NaN at element 17; expected finite numbers",
                "FP8 | .weight | 63 | -1 | has NaN at element 63; expected finite numbers",
                "FP8 | .weight_scale_inv | 15 | 127 | in row 4, group 1, with which numbers may be above 65504.0",
                "PACKED | .weight_shape | 0 | 9 | has the shape [8, 1]; weight_shape says that the matrix is 9 x 8",
                "PACKED | .weight_shape | 8 | 9 | has the shape [8, 1]; weight_shape says that the matrix is 8 x 9",
                "PACKED | .weight_shape | 15 | 127 | makes a matrix of 9151314442816847880 rows or columns; supported: 1 to",
                "BITSANDBYTES | .weight.quant_map | 3 | 127 | quant_map has Infinity at element 0; expected finite numbers",
                "BITSANDBYTES | .weight.nested_absmax | 7 | -1 | in row 2, group 0, with which",
            })
    void aNumberThatCannotBeIsRefused(QuantisedFolder kind, String part, int at, byte value, String problem)
            throws IOException {
        var folder = kind.folder();
        folder.write(directory);
        var bytes = folder.weights.bytes();
        bytes[folder.weights.placeOf(MODULE + part) + at] = value;
        Files.write(directory.resolve("model.safetensors"), bytes);
        assertTrue(refusal().contains(problem), this::refusal);
    }

    /// Tools write biases of zeros to all modules, also to those that have none.
    @ParameterizedTest
    @CsvSource({"0, 0, false", "0, 1, true", "1, 0, true", "NaN, 0, true"})
    void biasesOfZerosAreDroppedTogether(float ofQueries, float ofKeys, boolean isKept) throws IOException {
        var keys = MODULE.replace("q_proj", "k_proj");
        var folder = new SafetensorsFolder(32, 4, Set.of(MODULE + ".weight", keys + ".weight"));
        folder.config.put(
                "quantization_config", Map.of("quant_method", "gptq", "bits", 4, "group_size", 4, "sym", false));
        for (var module : List.of(MODULE, keys)) {
            folder.weights.raw(module + ".qweight", "I32", new byte[32], 1, 8);
            folder.weights.raw(module + ".qzeros", "I32", new byte[8], 2, 1);
            folder.weights.tensor(module + ".scales", TensorType.F16, new float[16], 2, 8);
        }
        folder.weights.tensor(MODULE + ".bias", TensorType.F16, new float[] {0, 0, 0, 0, 0, 0, 0, ofQueries}, 8);
        folder.weights.tensor(keys + ".bias", TensorType.F32, new float[] {ofKeys, 0, 0, 0, 0, 0, 0, 0}, 8);
        folder.write(directory);
        try (var model = StoredModel.open(directory)) {
            assertEquals(isKept, model.tensors().containsKey("blk.0.attn_q.bias"));
            assertEquals(isKept, model.tensors().containsKey("blk.0.attn_k.bias"));
        }
    }

    @Test
    void symmetricZeroPointsOf8BitsAreInTheMiddle() throws IOException {
        var folder = QuantisedFolder.GPTQ.folder(file -> {
            file.raw(MODULE + ".qweight", "I32", new byte[8 * 32], 8, 8);
            file.raw(MODULE + ".qzeros", "I32", new byte[8], 1, 2);
            file.tensor(MODULE + ".scales", TensorType.F16, new float[8], 1, 8);
        });
        folder.config.put(
                "quantization_config",
                JSON.readTree("{\"quant_method\":\"gptq\",\"bits\":8,\"group_size\":-1,\"sym\":true}"));
        folder.write(directory);
        assertEquals(
                "model.safetensors: tensor " + MODULE + ".weight has the zero point 1.0 in row 0, group 0, although"
                        + " quantization_config says that it is symmetric; expected finite numbers",
                refusal());
    }
}
