package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.model.device.DeviceMemory;
import dev.llmworker.model.device.Precision;
import dev.llmworker.model.loading.UnpackedCopies;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.SafetensorsFile;
import dev.llmworker.weights.SafetensorsFolder;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Folders with `quantization_config`, against transformers' figures in float32 for the numbers that the tools of each
/// method make of them. `golden_quantised.py` writes them.
@Concurrent
class GoldenQuantisedTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    /// Minimums of blocks, and elements that no block holds, are rounded to float16.
    private static final float TOLERANCE = 0.02f;

    private record Golden(
            String name,
            Map<String, Object> config,
            Map<String, GoldenPart> tensors,
            Map<String, double[]> samples,
            int[] ids,
            int[] greedy,
            float[] logits) {
        @Override
        public String toString() {
            return name;
        }
    }

    @TempDir
    private Path directory;

    /// Each is what the tool makes of it, rounded to float16 once, or a sum of two such numbers.
    @ParameterizedTest
    @MethodSource("goldens")
    void someElementsOfEachMatrixAreThoseOfTheTool(Golden golden) throws Exception {
        write(golden);
        var seen = new HashSet<String>();
        try (var model = StoredModel.open(directory);
                var arena = Arena.ofShared()) {
            for (var tensor : model.tensors().values()) {
                var samples = golden.samples().get(tensor.name());
                if (samples == null) {
                    assertNull(tensor.packed(), tensor.name());
                    continue;
                }
                seen.add(tensor.name());
                tensor.checkFinite();
                var written = tensor.inBlocks(arena);
                var random = new GoldenWeights(tensor.name(), 0, 0, tensor.shape());
                for (var i = 0; i < samples.length; i++) {
                    var place = Long.remainderUnsigned(random.bits(i), tensor.elements());
                    // Of a minimum, which is up to 16 scales.
                    var rounded = tensor.type() == TensorType.Q4_1 ? 16 * 1.5 / 64 : Math.abs(samples[i]);
                    assertEquals(
                            samples[i], element(written, place), rounded / 2048 + 3e-8, tensor.name() + " " + place);
                }
            }
        }
        assertEquals(golden.samples().keySet(), seen);
    }

    /// The plan of a GPU's memory does not count them.
    @ParameterizedTest
    @MethodSource("goldens")
    void onAGpuUnpackedMatricesMustFitIntoMainMemory(Golden golden) throws Exception {
        write(golden);
        try (var model = StoredModel.open(directory)) {
            var config = Architectures.describe(model);
            long largest = model.tensors().values().stream()
                    .filter(tensor -> tensor.packed() != null && !tensor.name().contains("experts"))
                    .mapToLong(Tensor::bytes)
                    .max()
                    .orElseThrow();
            long most = UnpackedCopies.mostBytes(model, config);
            assertTrue(most >= 3 * largest, most + " bytes");
            UnpackedCopies.check(model, config, new DeviceMemory(2 * most, most, "this machine"));
            var refused = assertThrows(
                    IllegalArgumentException.class,
                    () -> UnpackedCopies.check(model, config, new DeviceMemory(2 * most, most - 1, "this machine")));
            assertTrue(String.valueOf(refused.getMessage()).contains("of main memory; this machine has"));
        }
    }

    private static float element(Tensor tensor, long place) {
        var type = tensor.type();
        var block = tensor.data()
                .asSlice(place / type.blockElements() * type.blockBytes(), type.blockBytes())
                .toArray(ValueLayout.JAVA_BYTE);
        return NaiveBlocks.values(type, block)[(int) (place % type.blockElements())];
    }

    @ParameterizedTest
    @MethodSource("goldens")
    void libtorchGivesTheTokensAndLogitsOfTransformers(Golden golden) throws Exception {
        write(golden);
        try (var decoder = GoldenSafetensorsTest.load(directory)) {
            assertGolden(golden, decoder, TOLERANCE);
        }
    }

    @ParameterizedTest
    @MethodSource("goldens")
    void theNativeProgramGivesTheTokensAndLogitsOfTransformers(Golden golden) throws Exception {
        MachineNeeds.nativeLibrary();
        write(golden);
        var options = new DecoderOptions(Precision.AUTO, Precision.FP32, 1, 0, 1, "cpu", true);
        try (var model = StoredModel.open(directory);
                var decoder = TorchDecoder.load(model, options, _ -> {})) {
            assertTrue(decoder.description().weightFormat().startsWith("native"));
            assertGolden(golden, decoder, GoldenSafetensorsTest.NATIVE_TOLERANCE);
        }
    }

    /// A reranker takes rows of the head.
    @Test
    void rowsOfAQuantisedHeadAreTaken() throws Exception {
        var folder = new SafetensorsFolder();
        folder.config.put("tie_word_embeddings", false);
        folder.config.put("quantization_config", Map.of("quant_method", "fbgemm_fp8"));
        var codes = new byte[32 * 8];
        for (var i = 0; i < codes.length; i++) {
            codes[i] = (byte) (i % 127);
        }
        folder.weights.raw("lm_head.weight", "F8_E4M3", codes, 32, 8);
        folder.weights.tensor("lm_head.weight_scale", TensorType.F32, new float[] {1}, 1);
        folder.write(directory);
        try (var model = StoredModel.open(directory);
                var arena = Arena.ofShared()) {
            var head = model.tensor("output.weight");
            assertNotNull(head.packed());
            var whole = head.inBlocks(arena).data();
            var rows = TorchEncoder.scores(model, Architectures.describe(model), List.of(1, 31), arena);
            var bytes = whole.byteSize() / 32;
            assertEquals(-1, rows.getFirst().data().mismatch(whole.asSlice(bytes, bytes)));
            assertEquals(-1, rows.getLast().data().mismatch(whole.asSlice(31 * bytes)));
        }
    }

    /// The same model twice: with groups that blocks hold, and with groups out of order.
    @Test
    void theMemoryPlanCountsWhatMatricesBecome() throws Exception {
        MachineNeeds.nativeLibrary();
        var weights = new ArrayList<Long>();
        var elements = 0L;
        for (var name : List.of("GPTQ, 4 bits, zero points", "GPTQ, 4 bits, ordered")) {
            write(goldens().stream()
                    .filter(golden -> golden.name().equals(name))
                    .findFirst()
                    .orElseThrow());
            try (var model = StoredModel.open(directory)) {
                var plan = ModelSummary.of(model, DecoderOptions.cpu(1)).memory();
                weights.add(plan.weights());
                var matrices = model.tensors().values().stream()
                        .filter(tensor -> tensor.packed() != null)
                        .toList();
                elements = matrices.stream().mapToLong(Tensor::elements).sum();
                var largest = matrices.stream().mapToLong(Tensor::bytes).max().orElseThrow();
                assertTrue(plan.working() > (256 << 20) + 3 * largest, plan::toString);
            }
        }
        assertEquals(2 * elements - (elements / 2 + elements / 8), weights.getLast() - weights.getFirst());
    }

    private static void assertGolden(Golden golden, TorchDecoder decoder, float tolerance) {
        assertArrayEquals(golden.logits(), decoder.prefillLogits(0, golden.ids(), 0), tolerance);
        assertArrayEquals(golden.greedy(), GoldenSafetensorsTest.greedy(decoder, golden.ids(), golden.greedy().length));
    }

    private void write(Golden golden) throws IOException {
        Files.writeString(directory.resolve("config.json"), JSON.writeValueAsString(golden.config()));
        var file = new SafetensorsFile().metadata(Map.of("format", "pt"));
        golden.tensors().forEach((names, part) -> {
            for (var name : GoldenWeights.counted(names)) {
                part.write(file, name);
            }
        });
        file.write(directory.resolve("model.safetensors"));
    }

    private static List<Golden> goldens() throws IOException {
        try (var stream = GoldenQuantisedTest.class.getResourceAsStream("/golden/quantised.json")) {
            return List.of(JSON.readValue(stream, Golden[].class));
        }
    }
}
