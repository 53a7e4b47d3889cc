package dev.llmworker.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class GgufTest {
    @TempDir
    Path directory;

    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    void versions2And3AreRead(int version) throws IOException {
        try (var gguf = open(new GgufFile().version(version).floats("norm", new float[] {1, -2, 0.5f}, 3))) {
            var tensor = gguf.tensor("norm");
            assertEquals(TensorType.F32, tensor.type());
            assertArrayEquals(GgufFile.floats(1, -2, 0.5f), tensor.data().toArray(ValueLayout.JAVA_BYTE));
        }
    }

    @Test
    void tensorsComeInFileOrderWithTheirOwnData() throws IOException {
        var file = new GgufFile()
                .string("general.name", "three")
                .floats("z", new float[] {1, 2, 3, 4, 5, 6}, 3, 2)
                .floats("a", new float[] {7}, 1)
                .floats("m", new float[] {8, 9}, 1, 2, 1, 1);
        try (var gguf = open(file)) {
            assertEquals(List.of("z", "a", "m"), List.copyOf(gguf.tensors().keySet()));
            assertArrayEquals(GgufFile.floats(8, 9), gguf.tensor("m").data().toArray(ValueLayout.JAVA_BYTE));
            var z = gguf.tensor("z");
            assertEquals(3, z.columns());
            assertEquals(2, z.rows());
            assertEquals(6, z.elements());
            assertArrayEquals(new long[] {3, 2}, z.shape());
            assertEquals(2, gguf.tensor("m").rows());
            assertThrows(
                    UnsupportedOperationException.class, () -> gguf.tensors().remove("z"));
            assertTrue(z.data().isReadOnly());
        }
    }

    @ParameterizedTest
    @EnumSource
    void aTensorOfEachTypeHasItsBytes(TensorType type) throws IOException {
        var data = new byte[3 * 2 * type.blockBytes()];
        for (var i = 0; i < data.length; i++) {
            data[i] = (byte) i;
        }
        try (var gguf = open(new GgufFile().tensor("w", type, data, 2L * type.blockElements(), 3))) {
            var tensor = gguf.tensor("w");
            assertEquals(type, tensor.type());
            assertEquals(6L * type.blockElements(), tensor.elements());
            assertArrayEquals(data, tensor.data().toArray(ValueLayout.JAVA_BYTE));
        }
    }

    @Test
    void anotherAlignmentMovesTheData() throws IOException {
        var file = new GgufFile().alignment(256).floats("a", new float[] {1}, 1).floats("b", new float[] {2}, 1);
        try (var gguf = open(file)) {
            assertArrayEquals(GgufFile.floats(2), gguf.tensor("b").data().toArray(ValueLayout.JAVA_BYTE));
            assertEquals(
                    256,
                    gguf.tensor("b").data().address() - gguf.tensor("a").data().address());
        }
    }

    @Test
    void aFileWithoutTensorsOpens() throws IOException {
        try (var gguf = open(new GgufFile().string("tokenizer.ggml.model", "gpt2"))) {
            assertTrue(gguf.tensors().isEmpty());
            assertEquals("gpt2", gguf.metadata().string("tokenizer.ggml.model"));
        }
    }

    @Test
    void aLinkToAFileOpens() throws IOException {
        var target = new GgufFile().integer("n", 1).write(directory.resolve("blob"));
        var link = Files.createSymbolicLink(directory.resolve("link.gguf"), target);
        try (var gguf = Gguf.open(link)) {
            assertEquals(link, gguf.file());
            assertEquals(1, gguf.metadata().integer("n"));
        }
    }

    @Test
    void aTensorPastTwoGigabytesIsRead() throws IOException {
        // 2.4 GB of one tensor that are never written: a hole of the file.
        var columns = 600_000_000L;
        var header = new GgufFile()
                .declare("hole", TensorType.F32.ggufId(), 0, columns)
                .declare("last", TensorType.F32.ggufId(), columns * Float.BYTES, 2);
        var file = header.write(directory.resolve("large.gguf"));
        try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            var start = Files.size(file) + columns * Float.BYTES;
            channel.write(ByteBuffer.wrap(GgufFile.floats(3, 4)), start);
        }
        try (var gguf = Gguf.open(file)) {
            assertEquals(columns * Float.BYTES, gguf.tensor("hole").data().byteSize());
            assertArrayEquals(GgufFile.floats(3, 4), gguf.tensor("last").data().toArray(ValueLayout.JAVA_BYTE));
        }
    }

    @Test
    void closingUnmapsTheTensorsAndKeepsTheMetadata() throws IOException {
        var gguf = open(new GgufFile().integers("ids", 1, 2).floats("w", new float[] {1}, 1));
        var data = gguf.tensor("w").data();
        gguf.close();
        gguf.close();
        assertFalse(data.scope().isAlive());
        assertThrows(IllegalStateException.class, () -> data.get(ValueLayout.JAVA_BYTE, 0));
        assertArrayEquals(new int[] {1, 2}, gguf.metadata().integers("ids"));
    }

    @Test
    void aVocabularyOfEveryScriptIsReadAsWritten() throws IOException {
        var tokens = IntStream.range(0, 50_000)
                .filter(i -> i < Character.MIN_SURROGATE || i > Character.MAX_SURROGATE)
                .mapToObj(i -> i + Character.toString(i) + "\uFFFD" + Character.toString(0x1F600 + i % 64))
                .toList();
        try (var gguf = open(new GgufFile().strings("tokenizer.ggml.tokens", tokens))) {
            assertEquals(tokens, gguf.metadata().strings("tokenizer.ggml.tokens"));
        }
    }

    private Gguf open(GgufFile file) throws IOException {
        return Gguf.open(file.write(directory.resolve("model.gguf")));
    }
}
