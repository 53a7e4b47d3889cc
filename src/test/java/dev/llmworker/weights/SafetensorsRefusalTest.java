package dev.llmworker.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What is wrong with files of strangers, and what the operator reads.
class SafetensorsRefusalTest {
    private static final byte[] EIGHT = new byte[8];

    @TempDir
    private Path directory;

    private final SafetensorsFolder folder = new SafetensorsFolder();

    @Test
    void aSoundFolderIsOpened() throws IOException {
        try (var model = StoredModel.open(folder.write(directory))) {
            assertEquals(12, model.tensors().size());
            assertEquals(8, model.tensor("blk.0.attn_q.weight").rows());
            assertEquals(
                    "model.layers.0.self_attn.q_proj.weight",
                    model.tensor("blk.0.attn_q.weight").name());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "[1,2] | has START_ARRAY; expected an object",
                "{\"a\":1} | tensor a has VALUE_NUMBER_INT; expected an object",
                "{\"a\":{}} | tensor a lacks dtype, shape or two data_offsets",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}} | tensor a lacks dtype",
                "{\"a\":{\"dtype\":1,\"shape\":[2],\"data_offsets\":[0,8]}} | expected dtype to be text",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}} | has -2 in shape; expected 1 or more",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}} | has 0 in shape; expected 1 or more",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2.5],\"data_offsets\":[0,8]}} | shape to hold whole numbers",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,2],\"data_offsets\":[0,8]}} | more than 4 numbers in shape",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}} | has 8 bytes; F32 of shape [3] takes 12",
                "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]}} | is F8_E4M3; supported: F32, F16, BF16",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9]}} | which has 8: the file is truncated",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}} | takes bytes 8 to 0 of the data",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}} | the tensor before it ends at byte 0",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}} | has 8 bytes of data; its tensors take 4",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,99999999999999999999]}} | is not valid JSON",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,8]}} | takes more than",
                "{\"a\":{},\"a\":{}} | lacks dtype",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"a\":1} | Duplicate field 'a'",
                "{\"\":{}} | has a tensor with a name of 0 characters",
                "{\"a | is not valid JSON",
                "{} {} | has data after its end",
                "{\"__metadata__\":[]} | __metadata__ has START_ARRAY",
            })
    void aHeaderThatContradictsItselfIsRefused(String header, String problem) throws IOException {
        // Brackets in the first line stand in the place of the object.
        var refusal = refusal(SafetensorsFile.bytes(header.startsWith("[") ? "{\"x\":" + header + "}" : header, EIGHT));
        assertTrue(refusal.startsWith("model.safetensors: ") && refusal.contains(problem), refusal);
    }

    @Test
    void tensorsOverEachOtherAreRefused() throws IOException {
        var refusal = refusal(new SafetensorsFile()
                .tensor("a", TensorType.F32, new float[] {1, 2}, 2)
                .declare("b", "F32", List.of(4, 8), 1)
                .bytes());
        assertEquals(
                "model.safetensors: tensor b starts at byte 4 of the data; the tensor before it ends at byte 8",
                refusal);
    }

    @Test
    void lengthsOfTheHeaderThatTheFileHasNoRoomForAreRefused() throws IOException {
        assertEquals(
                "model.safetensors: is not a safetensors file: it has 3 bytes, and the shortest header takes 10",
                refusal(new byte[3]));
        var file = new byte[64];
        file[0] = -1;
        assertEquals(
                "model.safetensors: has a header of 255 bytes; the file has room for 56, and the limit is 16777216",
                refusal(file));
        Arrays.fill(file, (byte) -1);
        assertTrue(refusal(file).contains("has a header of 18446744073709551615 bytes"));
    }

    @Test
    void otherFilesAreCalledByTheirKind() throws IOException {
        assertEquals(
                "model.safetensors: is not a safetensors file: it is a Git LFS pointer; `git lfs pull` fetches the"
                        + " file itself",
                refusal("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n".getBytes()));
        assertEquals(
                "model.safetensors: is not a safetensors file: it is a GGUF file", refusal(new GgufFile().bytes()));
    }

    @Test
    void whatIsNoRegularFileIsRefusedAtOnce() throws Exception {
        folder.write(directory);
        Files.delete(directory.resolve("model.safetensors"));
        assertEquals(
                directory.getFileName() + ": has neither model.safetensors nor model.safetensors.index.json",
                refusal());
        Files.delete(directory.resolve("config.json"));
        assertEquals(
                0,
                new ProcessBuilder("mkfifo", directory.resolve("config.json").toString())
                        .start()
                        .waitFor());
        assertTimeoutPreemptively(
                Duration.ofSeconds(5), () -> assertEquals("config.json: is not a regular file", refusal()));
    }

    @Test
    void picklesAreNotReadAndSaidSo() throws IOException {
        folder.write(directory);
        Files.move(directory.resolve("model.safetensors"), directory.resolve("pytorch_model.bin"));
        assertTrue(refusal().contains("pytorch_model.bin is not read, because reading it runs code that it contains"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "../other.safetensors | has \"../other.safetensors\" for tensor",
                "/etc/passwd | has \"/etc/passwd\" for tensor",
                "a/b.safetensors | expected the name of a .safetensors file beside it",
                "..safetensors | expected the name of a .safetensors file beside it",
                "model.bin | expected the name of a .safetensors file beside it",
                "missing.safetensors | missing.safetensors: does not exist",
            })
    void anIndexThatNamesOtherFilesIsRefused(String shard, String problem) throws IOException {
        folder.write(directory);
        Files.delete(directory.resolve("model.safetensors"));
        Files.writeString(
                directory.resolve("model.safetensors.index.json"),
                "{\"weight_map\":{\"model.norm.weight\":\"" + shard + "\"}}");
        assertTrue(refusal().contains(problem), this::refusal);
    }

    @Test
    void anIndexAndItsFilesMustAgree() throws IOException {
        folder.write(directory);
        Files.move(directory.resolve("model.safetensors"), directory.resolve("a.safetensors"));
        var index = directory.resolve("model.safetensors.index.json");
        Files.writeString(index, "{\"weight_map\":{\"other\":\"a.safetensors\"}}");
        assertEquals(
                "model.safetensors.index.json: weight_map has tensor other in a.safetensors, which lacks it",
                refusal());
        Files.copy(directory.resolve("a.safetensors"), directory.resolve("b.safetensors"));
        Files.writeString(
                index,
                "{\"weight_map\":{\"model.norm.weight\":\"a.safetensors\",\"model.embed_tokens.weight\":\"b.safetensors\"}}");
        assertEquals("b.safetensors: tensor model.embed_tokens.weight is in a.safetensors as well", refusal());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "architectures | [] | architectures is []; expected one name, such as LlamaForCausalLM",
                "quantization_config | {\"quant_method\":\"hqq\"} | quantization_config has quant_method \"hqq\"; supported: awq,",
                "hidden_size | [8] | hidden_size is an ARRAY; expected a number, text or flag",
                "num_hidden_layers | 5000 | num_hidden_layers is 5000; expected 1 to 1024",
                "num_hidden_layers | \"two\" | num_hidden_layers is a STRING; expected an integer",
                "vocab_size | 33 | tensor model.embed_tokens.weight has 32 rows; vocab_size in config.json is 33",
                "tie_word_embeddings | false | tie_word_embeddings is false, but the files have no tensor lm_head.weight",
                "use_bidirectional_attention | true | use_bidirectional_attention is true; supported: \"vision\" or false or none",
                "mlp_only_layers | [0] | mlp_only_layers is [0]; supported: [] or none",
                "kv_lora_rank | 512 | kv_lora_rank is 512; supported: none",
                "query_pre_attn_scalar | 0 | query_pre_attn_scalar is 0; it must be above 0",
                "rope_parameters | {\"rope_type\":\"mrope\"} | rope_parameters.rope_type is mrope; supported:"
                        + " default, linear, dynamic, llama3, yarn, longrope",
                "rope_parameters | {\"mrope_section\":[1]} | rope_parameters.mrope_section is not supported",
                "rope_parameters | {\"rope_type\":\"yarn\",\"factor\":-1} | rope_parameters.factor is -1; yarn takes",
                "rope_parameters | {\"rope_type\":\"longrope\"} | rope_parameters.long_factor has 0 numbers",
                "rope_parameters | {\"rope_type\":\"llama3\",\"factor\":4} | rope_parameters.low_freq_factor is ;",
                "rope_parameters | {\"full_attention\":{},\"sliding_attention\":{\"rope_type\":\"linear\",\"factor\":2}} |"
                        + " supported: as full_attention, or not scaled",
                "rope_parameters | {\"rope_type\":\"linear\"} | rope_parameters.factor is ; linear takes a number above 0",
                "rope_parameters | {\"rope_type\":\"linear\",\"factor\":0} | rope_parameters.factor is 0; linear takes a",
                "rope_parameters | {\"full_attention\":{},\"sliding_attention\":{\"partial_rotary_factor\":0.5}} |"
                        + " sliding_attention.partial_rotary_factor is 0.5; supported here: none, and any rope_theta",
                "rope_parameters | {\"full_attention\":{},\"sliding_attention\":{\"beta_fast\":8}} |"
                        + " sliding_attention.beta_fast is 8; supported here: none",
                "rope_parameters | {\"full_attention\":{\"rope_type\":\"yarn\",\"factor\":2,\"beta_slow\":2},"
                        + "\"sliding_attention\":{\"rope_type\":\"yarn\",\"factor\":2}} |"
                        + " sliding_attention.beta_slow is none; supported here: 2",
                "partial_rotary_factor | -1 | partial_rotary_factor is -1; of the 4 values of a head, an even number",
                "partial_rotary_factor | 1e9 | partial_rotary_factor is 1.0E9; of the 4 values of a head, an even number",
                "partial_rotary_factor | 0.8 | partial_rotary_factor is 0.8; of the 4 values of a head, an even number",
                "partial_rotary_factor | \"half\" | partial_rotary_factor is \"half\"; of the 4 values of a head",
                "num_attention_heads | 0 | num_attention_heads is 0; expected 1 or more",
                "head_dim | 100000000 | head_dim is 100000000; expected 2 to 1048576",
            })
    void aConfigurationThatIsNotSupportedIsRefused(String field, String value, String problem) throws IOException {
        folder.config.put(field, new ObjectMapper().readTree(value));
        folder.write(directory);
        assertTrue(refusal().contains(problem), this::refusal);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "SmolLM3 | no_rope_layers | [1,1,0]",
                "SmolLM3 | no_rope_layers | [1,1]",
                "SmolLM3 | no_rope_layers | []",
                "GptOss | layer_types | [\"full_attention\",\"full_attention\"]",
                "GptOss | layer_types | []",
            })
    void aListOfAnotherLengthThanTheLayersIsRefused(String model, String field, String list) throws IOException {
        var values = new ObjectMapper().readTree(list);
        folder.config.put("architectures", new String[] {model + "ForCausalLM"});
        folder.config.put(field, values);
        folder.write(directory);
        assertEquals(
                "config.json: " + field + " has " + values.size() + " values; expected one for each of the 1 layers",
                refusal());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "per_layer_config | {\"0\":{\"head_dim\":8,\"num_attention_heads\":4}} | supported: head_dim and num_key",
                "per_layer_config | {\"1\":{\"head_dim\":8}} | per_layer_config has 1: {\"head_dim\":8}; supported",
                "per_layer_config | {\"0\":{\"head_dim\":\"8\"}} | per_layer_config has \"8\"; expected an integer",
                "sliding_window | 0 | sliding_window is missing; expected the window of some layers",
            })
    void layersOfGemma4ThatAreNotSupportedAreRefused(String field, String value, String problem) throws IOException {
        folder.config.remove("rope_parameters");
        folder.config.put("architectures", new String[] {"Gemma4ForCausalLM"});
        folder.config.put("hidden_size_per_layer_input", 0);
        folder.config.put(field, new ObjectMapper().readTree(value));
        folder.write(directory);
        assertTrue(refusal().contains(problem), this::refusal);
    }

    @Test
    void halvesOfMxfp4ThatDoNotFitTogetherAreRefused() throws IOException {
        var name = "model.layers.0.mlp.experts.down_proj";
        folder.weights.bytes(name + "_blocks", new byte[64], 1, 2, 2, 16);
        folder.write(directory);
        var problem = "tensor " + name + "_blocks has no scales in " + name + "_scales of its shape";
        assertEquals("model.safetensors: " + problem, refusal());
        folder.weights.bytes(name + "_scales", new byte[2], 1, 2, 1);
        folder.write(directory);
        assertEquals("model.safetensors: " + problem, refusal());
        var plain = new SafetensorsFolder();
        plain.weights.bytes(name + "_blocks", new byte[64], 1, 2, 2, 16);
        plain.tensor(name + "_scales", 1, 2, 64);
        plain.write(directory);
        assertEquals("model.safetensors: " + problem, refusal());
        var whole = new SafetensorsFolder().tensor(name, 1, 2, 64);
        whole.weights.bytes(name + "_blocks", new byte[64], 1, 2, 2, 16);
        whole.weights.bytes(name + "_scales", new byte[4], 1, 2, 2);
        whole.write(directory);
        assertEquals("model.safetensors: tensor " + name + " is in model.safetensors as well", refusal());
        var other = new SafetensorsFolder();
        other.weights.bytes(name + "_scales", new byte[4], 1, 2, 2);
        other.write(directory);
        assertEquals("model.safetensors: tensor " + name + "_scales has no quants", refusal());
    }

    @Test
    void aConfigurationThatIsNoJsonIsRefused() throws IOException {
        folder.write(directory);
        for (var text : Map.of(
                        "{\"a\":1,\"a\":2}",
                        "Duplicate field 'a' (line 1, column",
                        "[]",
                        "is not a JSON object",
                        "{} x",
                        "is not valid JSON",
                        "{\"a\":".repeat(100),
                        "nesting depth")
                .entrySet()) {
            Files.writeString(directory.resolve("config.json"), text.getKey());
            assertTrue(refusal().startsWith("config.json: ") && refusal().contains(text.getValue()), this::refusal);
        }
        Files.write(directory.resolve("config.json"), new byte[(4 << 20) + 1]);
        assertEquals("config.json: is longer than the limit of 4194304 bytes", refusal());
    }

    @Test
    void zerosThatLookLikeUtf32AreNoJson() throws IOException {
        var noise = "{\0\0\0\0\0z\0";
        folder.write(directory);
        Files.writeString(directory.resolve("config.json"), noise);
        assertTrue(refusal().startsWith("config.json: is not valid JSON: Invalid UTF-32"), this::refusal);
        assertTrue(refusal(SafetensorsFile.bytes(noise)).contains("header is not valid JSON"), this::refusal);
    }

    private String refusal(byte[] weights) throws IOException {
        folder.write(directory);
        Files.write(directory.resolve("model.safetensors"), weights);
        return refusal();
    }

    private String refusal() {
        return String.valueOf(assertThrows(
                        ModelFileException.class,
                        () -> StoredModel.open(directory).close())
                .getMessage());
    }
}
